"""The evaluations of studies on robustness: their metrics are those of the attacks that they carry out."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from windowconv.errors import InputError
from windowconv.lab.data import ImageData
from windowconv.lab.evaluations.held_out import HeldOut
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Metric
from windowconv.lab.evaluations.registry import metric_value
from windowconv.lab.robustness.attacks.norms import L2
from windowconv.lab.robustness.attacks.result import load
from windowconv.lab.robustness.attacks.suites import Trial
from windowconv.lab.robustness.evaluations.smallest_change import DEEPFOOL, SmallestChange
from windowconv.lab.robustness.evaluations.worst_case import APGD_L2, WorstCaseAccuracy
from windowconv.lab.runs.folder import Run

MakeRun = Callable[..., Run]
ACCURACY = Metric("some-accuracy", "accuracy (%)", "accuracy")


def test_the_worst_case_in_l2(make_run: MakeRun, tiny: ImageData) -> None:
    trials = (Trial("pgd-l2", 20, (0.3, 0.6), {"steps": 5}), Trial("deepfool", 20, settings={"steps": 5}))
    run = make_run()
    WorstCaseAccuracy("worst", trials, 0.6, ACCURACY, unit=L2).run([Network(run)], tiny.test)
    values = WorstCaseAccuracy("worst", trials, 0.6, unit=L2).values(run)
    assert values is not None
    pgd, deepfool = load(run.folder, "pgd-l2-5", 20), load(run.folder, "deepfool-5", 20)
    assert deepfool.distance is not None
    robust = pgd.robust[1] & (deepfool.distance > 0.6)
    assert values["accuracy"] == pytest.approx(robust.double().mean().item())
    clean = pgd.clean.double().mean().item()
    assert values["withstood"] == (pytest.approx(values["accuracy"] / clean) if clean else None)


def test_the_smallest_change_is_deepfools_median(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run()
    small = SmallestChange("deepfool", replace(DEEPFOOL.trial, images=20), DEEPFOOL.metrics[0])
    small.run([Network(run)], tiny.test)
    found = load(run.folder, "deepfool-20", 20)
    assert found.distance is not None
    right = found.distance[found.clean]
    expected = torch.quantile(right, 0.5, interpolation="lower").item() if len(right) else None
    assert metric_value(run, "smallest-change") == expected


def test_a_metric_without_a_value_is_not_measured(make_run: MakeRun) -> None:
    run = make_run()
    assert metric_value(run, "smallest-change") is None
    assert metric_value(run, "corruption-accuracy") is None
    assert APGD_L2.values(run) is None


def test_held_out_accuracy_is_the_runs_own(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run(val_fraction=0.25)
    HeldOut().run([Network(run)], None)
    assert metric_value(run, "held-out-accuracy") == 100 * run.final()["val_accuracy"]
    with pytest.raises(InputError, match="held out no images; allowed: runs with val-fraction above 0"):
        HeldOut().run([Network(make_run("5x5"))], None)
