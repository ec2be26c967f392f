"""What is measured of a run is what the library measures, once, and kept in the run's folder."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from windowconv.errors import InputError
from windowconv.lab.data import ImageData
from windowconv.lab.runs.folder import Run
from windowconv.lab.studies.design.metrics import FIGURES, MEASURES
from windowconv.lab.studies.execution.evaluations import BUDGET, measure
from windowconv.spectra.curve import RADII
from windowconv.spectra.network import leakage
from windowconv.spectra.shift import shift_consistency

MakeRun = Callable[..., Run]


def test_leakage_is_the_mean_over_kernels_then_layers(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run("5x5-hamming")
    measure(run, "leakage", tiny)
    figures = run.evaluation("leakage")["figures"]
    expected = [layer.pair_curve for layer in leakage(run.model()).layers]
    assert figures["curve"] == pytest.approx(np.mean(expected, axis=0))
    assert figures["1/4"] == figures["curve"][RADII.index(1 / 4)]
    assert figures["1/8"] == figures["curve"][RADII.index(1 / 8)]
    assert list(figures["layers"]) == ["0", "3"]
    assert FIGURES["leakage"].key in figures
    assert run.evaluation("leakage")["content_hash"] == tiny.test.content_hash


def test_shifts_are_of_the_test_images(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run()
    measure(run, "shift", tiny)
    figures = run.evaluation("shift")["figures"]
    images = torch.as_tensor(tiny.test.images).float() / 255  # pyright: ignore[reportAttributeAccessIssue]
    assert figures["share"] == shift_consistency(run.model(), images).share
    assert figures["images"] == 43


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the toolbox's own
def test_attacks_are_the_worst_of_two(make_run: MakeRun, tiny: ImageData) -> None:
    pytest.importorskip("art")
    run = make_run(epochs=6)
    measure(run, "attacks", tiny)
    figures = run.evaluation("attacks")["figures"]
    assert figures["attacks"] == ["fgsm", "pgd-20"]
    assert (figures["budget"], figures["images"]) == (BUDGET, 43)
    assert figures["clean"] == run.final()["test_accuracy"]
    assert figures["curve"] == sorted(figures["curve"], reverse=True)
    assert figures["accuracy"] == figures["curve"][figures["budgets"].index(BUDGET)] <= figures["clean"]


def test_what_is_there_is_not_measured_again(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run()
    measure(run, "leakage", tiny)
    path = run.folder / "evaluations/leakage.json"
    before = path.stat().st_mtime_ns
    measure(run, "leakage", tiny)
    assert path.stat().st_mtime_ns == before


def test_an_unknown_measure_is_refused(make_run: MakeRun, tiny: ImageData) -> None:
    with pytest.raises(InputError, match=r"measure='leakag'; allowed: .*did you mean 'leakage'"):
        measure(make_run(), "leakag", tiny)
    assert {figure.measure for figure in FIGURES.values()} == {"test", *MEASURES}
