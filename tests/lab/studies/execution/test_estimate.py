"""A dry run says what there is to do, from sizes that can be counted by hand and steps that are measured."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from windowconv.errors import InputError
from windowconv.lab.config import Execution, Training
from windowconv.lab.models.matching import NetworkSpec
from windowconv.lab.studies.design.catalogue import find_design
from windowconv.lab.studies.design.design import Design
from windowconv.lab.studies.design.plan import Plan
from windowconv.lab.studies.execution.dry_run import PUBLIC, estimate
from windowconv.lab.studies.execution.estimate import (
    Estimate,
    Task,
    VariantEstimate,
    estimate_variant,
    seconds_an_image,
)
from windowconv.lab.studies.execution.hardware import H200, OTHER_MACHINES, Machine
from windowconv.lab.studies.folder import StudyFolder

SPEC = NetworkSpec("small", {}, 100, 1_000_000)


def made(
    runs: int = 4, seconds: float = 60.0, macs: float = 3e15, steps: int = 1000, precision: str = "fp32"
) -> VariantEstimate:
    return VariantEstimate("3x3", runs, 1, SPEC, macs, steps, seconds, precision)


def test_time_here_is_shared_by_the_processes() -> None:
    found = Estimate([made(), made(runs=2, seconds=30.0)], processes=2, threads=1)
    assert found.seconds == (4 * 60 + 2 * 30) / 2
    text = str(found)
    assert "In all: 6 runs to train, 18 P multiply-adds." in text
    assert "Here, 2 processes of 1 thread: about 2 min 30 s (from steps measured just now)." in text
    assert text.count("An estimate from declared figures, not a measurement.") == 2


def test_time_elsewhere_is_by_declared_figures() -> None:
    fast = Machine("m", 1, {"fp32": 1e13}, share={"fp32": 0.5}, step_s=0.001, source="s")
    assert fast.seconds(3e15, 1000, "fp32") == 600  # 3e15 / 5e12
    assert fast.seconds(3e12, 1000, "fp32") == 1.0  # no step is faster than its kernels start
    found = Estimate([made(runs=5)], 1, 1)
    assert found.seconds_on(fast) == 3000
    assert found.seconds_on(replace(fast, count=2)) == 1800  # three runs and two
    assert [machine.count for machine in OTHER_MACHINES] == [1, 8]
    assert set(H200.peak) == set(H200.share) == {"fp32", "tf32", "bf16", "fp16"}
    assert "data sheet" in H200.source


def test_a_runs_multiply_adds_and_steps() -> None:
    training = Training(depth=2, width=2, epochs=3, batch_size=16, augment="none")
    task = Task(100, 40, 10, (1, 12, 12))
    spec = NetworkSpec("small", {"arm": "3x3", "classes": 10, "channels": 1, "widths": [2, 4]}, 0, 1000)
    two = {"runs": 2, "reused": 1}
    found = estimate_variant("3x3", training, spec, task, {}, Execution(), two)
    assert found.macs == 1000 * (3 * 300 + 120)
    assert found.steps == 3 * 7
    held_out = replace(training, val_fraction=0.1)
    assert estimate_variant("3x3", held_out, spec, task, {}, Execution(), two).macs == 1000 * (3 * 270 + 30)
    attacked = replace(training, adversarial="pgd", adversarial_steps=6)  # six times two passes more
    assert estimate_variant("3x3", attacked, spec, task, {}, Execution(), two).macs == 1000 * (15 * 300 + 120)
    each = seconds_an_image(spec, training, task, {}, Execution())
    assert 0 < each < 0.1
    assert found.seconds == pytest.approx(each * 340, rel=20)  # measured twice


def test_public_data_need_not_be_here(tmp_path: Path) -> None:
    plan = Plan.of(find_design("cifar10"), "smoke", 8)
    found = estimate(plan, "cifar10", tmp_path, Execution(), 1, ())
    assert {each.variant: (each.runs, each.reused) for each in found.variants} == {
        variant.name: (8, 0) for variant in plan.design.variants
    }
    assert found.variants[0].steps == 2 * 13  # 400 images in batches of 32
    assert list(tmp_path.iterdir()) == []
    assert PUBLIC["cifar10"].image == (3, 32, 32)
    with pytest.raises(InputError, match="photos"):
        estimate(plan, "photos", tmp_path, Execution(), 1, ())


def test_finished_runs_are_counted(design: Design, carry_out: Callable[..., StudyFolder], tmp_path: Path) -> None:
    carry_out(design, name="runs/s", seeds=1)
    plan = Plan.of(design, "small", 3)
    found = estimate(plan, "gratings", None, Execution(), 1, (tmp_path / "runs",))
    assert [(each.runs, each.reused) for each in found.variants] == [(2, 1)] * 3
    networks = json.loads((tmp_path / "runs/s/study.json").read_text())["networks"]
    assert [each.network.macs for each in found.variants] == [networks[v.name]["macs"] for v in design.variants]


def test_searches_and_starts_are_runs_too(tmp_path: Path) -> None:
    plan = Plan.of(find_design("pretrained"), "smoke", 2)
    found = estimate(plan, "fashion-mnist", tmp_path, Execution(), 1, ())
    assert (found.variants[0].variant, found.variants[0].runs) == ("start 3x3", 2)
    assert len(found.variants) == 4
