"""Times of runs follow from what was measured, by multiply-adds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from windowconv.lab.recipes import find_recipe
from windowconv.lab.studies.execution.hardware import H200
from windowconv.lab.studies.reports.throughput import FILE, Run, Throughput, h200_seconds

SMALL = find_recipe("cifar10-small").training


def test_a_run_takes_what_its_steps_and_evaluations_take(tmp_path: Path) -> None:
    rows = {"speed/cifar10-small/3x3/fp32/eager": {"samples": {"ours": [0.004, 0.001, 0.002]}}}
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(json.dumps({"environment": {}, "rows": rows}))
    speeds = Throughput(tmp_path)
    images = 6 * (50_000 + 10_000 / 3)  # an evaluation is one pass of three
    assert speeds.seconds(Run("cifar10", "3x3", SMALL)) == pytest.approx(0.002 * images)
    cut = replace(SMALL, train_images=500, test_images=300)
    assert speeds.seconds(Run("cifar10", "3x3", cut)) == pytest.approx(0.002 * 6 * (500 + 100))
    assert speeds.seconds(Run("cifar10", "7x7", SMALL)) is None  # not measured
    assert speeds.seconds(Run("cifar10", "3x3", replace(SMALL, network="airbench", width=32))) is None
    assert Throughput(tmp_path / "elsewhere").seconds(Run("cifar10", "3x3", SMALL)) is None


def test_on_a_gpu_small_networks_take_their_steps() -> None:
    steps = 6 * -(-50_000 // SMALL.batch_size)
    assert h200_seconds(Run("cifar10", "3x3", SMALL)) == pytest.approx(steps * H200.step_s)
