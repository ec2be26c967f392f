"""Shifts and heat maps of runs are those of the library's functions, kept and not measured again."""

from collections.abc import Callable
from dataclasses import asdict

import pytest
import torch

from windowconv.errors import InputError
from windowconv.lab.data import ImageData, ImageSet, gratings
from windowconv.lab.robustness.conditions.catalogue import as_floats
from windowconv.lab.robustness.conditions.record import read_measurement
from windowconv.lab.robustness.evaluations import sensitivity
from windowconv.lab.robustness.evaluations.sensitivity import measure_heat_maps, measure_shifts
from windowconv.lab.runs.folder import Run
from windowconv.spectra import fourier_heat_map, shift_consistency


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    return make_run("5x5-hamming")


def test_shifts_are_those_of_the_library(run: Run, tiny: ImageData) -> None:
    measure_shifts([run], tiny.test, seed=3)
    record = read_measurement(run, "shifts", 43)
    assert record["reaches"] == [1]  # an eighth of 12 pixels
    assert (record["n"], record["indices"], record["border"]) == (43, None, "circular")
    assert isinstance(tiny.test, ImageSet)
    expected = shift_consistency(run.model(), as_floats(tiny.test.images), max_shift=1, seed=3)
    assert record["figures"]["shifts"] == [asdict(expected)]


@pytest.mark.parametrize(("most", "reaches"), [(0, [1]), (1, [1]), (3, [1, 2]), (4, [1, 2, 4]), (28, [1, 2, 4, 8, 16])])
def test_reaches_are_powers_of_two(most: int, reaches: list[int]) -> None:
    assert sensitivity._powers_of_two(most) == reaches


def test_heat_maps_are_those_of_the_library(run: Run, tiny: ImageData) -> None:
    done: list[tuple[int, int]] = []
    measure_heat_maps([run], tiny.test, count=20, size=5, progress=lambda *d: done.append(d))
    assert done == [(1, 1)]
    record = read_measurement(run, "heat-map", 20)
    assert (record["n"], record["norm"], record["size"]) == (20, 1.5, 5)
    assert isinstance(tiny.test, ImageSet)
    places = torch.tensor(record["indices"])
    some, labels = as_floats(tiny.test.images)[places], tiny.test.labels[places]
    expected = fourier_heat_map(run.model(), some, labels, 1.5, size=5)
    assert record["figures"]["clean_error"] == expected.clean_error
    torch.testing.assert_close(torch.tensor(record["figures"]["error"]).double(), expected.error)
    assert record["figures"]["rows"] == expected.rows.tolist()


def test_more_images_than_there_are_is_all_of_them_by_default(run: Run, tiny: ImageData) -> None:
    measure_heat_maps([run], tiny.test, size=1)
    assert read_measurement(run, "heat-map", 43)["n"] == 43


def test_what_is_there_is_not_measured_again(run: Run, tiny: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    measure_shifts([run], tiny.test)
    measure_heat_maps([run], tiny.test, size=2)
    monkeypatch.setattr(Run, "model", lambda self: pytest.fail("no network is needed"))
    measure_shifts([run], tiny.test)
    measure_heat_maps([run], tiny.test, size=2)
    with pytest.raises(
        InputError, match=r"evaluations/heat-map-on-43.json is of norm=1.5, not 2; measure with the former"
    ):
        measure_heat_maps([run], tiny.test, size=2, norm=2)


def test_what_does_not_fit_is_named(run: Run, tiny: ImageData) -> None:
    with pytest.raises(InputError, match="the test images here differ"):
        measure_shifts([run], gratings(16, 43, seed=3, image_size=12).test)
    with pytest.raises(InputError, match="5x5-hamming-seed0: size=13; allowed: 1 to 12"):
        measure_heat_maps([run], tiny.test, size=13)
    with pytest.raises(InputError, match="5x5-hamming-seed0: norm=-1"):
        measure_heat_maps([run], tiny.test, size=2, norm=-1)
    with pytest.raises(InputError, match=r"shifts-on-43.json cannot be read"):
        read_measurement(run, "shifts", 43)
