"""Kernels against their own main lobes, by closed forms in float64."""

import math

import pytest
import torch
from scipy.integrate import quad

from windowconv import get_window
from windowconv.errors import InputError
from windowconv.spectra.curve import peaks, power_spectrum
from windowconv.spectra.kernel_lobes import OwnLobe, own_lobe
from windowconv.spectra.merit import window_figures


def gaussian(size: int, sigma: float) -> torch.Tensor:
    """Taps whose energy spectrum is exp(-(2 pi sigma g)^2)."""
    x = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    return torch.exp(-x.square() / (2 * sigma**2))


def dirichlet(size: int, low: float, high: float) -> float:
    """The share of a flat kernel's energy between two frequencies."""
    return quad(lambda f: (math.sin(math.pi * size * f) / math.sin(math.pi * f)) ** 2 / size, low, high)[0]


@pytest.mark.parametrize("size", [4, 7])
def test_a_flat_row_ends_at_its_first_zeros(size: int):
    found = own_lobe(torch.ones(1, 1, size), grid=512 * size)
    assert found.area.item() == pytest.approx(2 / size, abs=1e-3)
    assert found.outside.item() == pytest.approx(2 * dirichlet(size, 1 / size, 0.5), abs=1e-4)
    b = found.bandwidth.item()
    half = (math.sin(math.pi * size * b / 2) / math.sin(math.pi * b / 2) / size) ** 2
    assert half == pytest.approx(0.5, abs=2e-3)
    assert found.leakage.item() == pytest.approx(2 * dirichlet(size, b, 0.5), abs=1e-3)
    assert found.disc.item() == pytest.approx(2 * b, abs=1e-3)


@pytest.mark.parametrize("window", ["boxcar", "hamming", "cosine"])
def test_a_separable_square_has_the_square_of_its_rows_lobe(window: str):
    row = get_window(window, 11, dtype=torch.float64)
    figures = window_figures(row)
    assert figures.islr_db is not None
    assert figures.width_null is not None
    inside = 1 / (1 + 10 ** (figures.islr_db / 10))
    found = own_lobe(torch.outer(row, row)[None, None], grid=11 * 64)
    assert found.outside.item() == pytest.approx(1 - inside**2, abs=3e-4)
    assert found.area.item() == pytest.approx((figures.width_null / 11) ** 2, rel=0.02)


@pytest.mark.parametrize("f", [0.0, 0.25])
@pytest.mark.parametrize("multiple", [0.5, 1.0, 1.5])
def test_a_gaussian_in_two_dimensions(f: float, multiple: float):
    """Its half-energy disc has the area 2 pi log(2) s^2, and beyond m times the side of that square lies 2^(-pi m^2),
    wherever the lobe is."""
    size, sigma = 41, 3.0
    x = torch.arange(size, dtype=torch.float64) - size // 2
    kernel = torch.outer(gaussian(size, sigma), gaussian(size, sigma) * torch.cos(2 * math.pi * f * x))
    found = own_lobe(kernel[None, None], multiple, grid=512)
    spread = 1 / (2 * math.pi * sigma * math.sqrt(2))
    b = spread * math.sqrt(2 * math.pi * math.log(2))
    assert found.bandwidth.item() == pytest.approx(b, rel=0.01)
    assert found.leakage.item() == pytest.approx(2 ** (-math.pi * multiple**2), rel=0.03)
    lobes = 1 if f == 0 else 2
    assert found.disc.item() == pytest.approx(lobes * math.pi * (multiple * b) ** 2, rel=0.02)
    assert found.outside.item() < 1e-6


def test_a_gaussian_row():
    found = own_lobe(gaussian(41, 3.0)[None, None], grid=4096)
    assert found.leakage.item() == pytest.approx(math.erfc(2 * math.sqrt(math.log(2))), rel=0.01)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_one_tap_has_a_lobe_without_end(axes: int):
    tap = torch.zeros(1, 1, *[3] * axes)
    tap[(0, 0, *[1] * axes)] = -2
    found = own_lobe(tap, grid=16)
    assert (found.area.item(), found.outside.item(), found.bandwidth.item()) == (1, 0, 1)


@pytest.mark.parametrize("axes", [1, 2])
def test_the_lobe_is_what_climbs_to_the_peak(axes: int):
    """Against a walk, frequency by frequency."""
    kernels = torch.randn(6, 2, *[5] * axes, dtype=torch.float64, generator=torch.Generator().manual_seed(axes))
    grid = 16
    found = own_lobe(kernels, grid=grid)
    power = power_spectrum(kernels, grid)
    for i, (spectrum, peak) in enumerate(zip(power, peaks(power), strict=True)):
        top = tuple(round(grid * f) % grid for f in peak.tolist())
        ends = {top, tuple(-p % grid for p in top)}
        inside = [place for place in _places(grid, axes) if _climb(spectrum, place) in ends]
        assert found.area[i].item() == pytest.approx(len(inside) / grid**axes)
        held = sum(spectrum[place].item() for place in inside)
        assert found.outside[i].item() == pytest.approx(1 - held / spectrum.sum().item())


def _places(grid: int, axes: int) -> list[tuple[int, ...]]:
    return [tuple(place) for place in torch.cartesian_prod(*[torch.arange(grid)] * axes).view(-1, axes).tolist()]


def _climb(spectrum: torch.Tensor, place: tuple[int, ...]) -> tuple[int, ...]:
    grid, axes = spectrum.shape[0], spectrum.ndim
    around = [tuple((p + s - 1) % grid for p, s in zip(place, step, strict=True)) for step in _places(3, axes)]
    best = max(around, key=lambda there: spectrum[there].item())
    return place if spectrum[best] <= spectrum[place] else _climb(spectrum, best)


def test_parts_and_scale_make_no_difference(monkeypatch: pytest.MonkeyPatch):
    kernels = torch.randn(5, 1, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    whole = own_lobe(kernels)
    monkeypatch.setattr("windowconv.spectra.kernel_lobes.PART", 1)
    parts = own_lobe(-1e-30 * kernels)
    for name in OwnLobe.__dataclass_fields__:
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name))


def test_a_filter_of_zeros_has_no_lobe():
    found = own_lobe(torch.stack([torch.zeros(1, 3, 3), torch.ones(1, 3, 3)]))
    for name in OwnLobe.__dataclass_fields__:
        assert getattr(found, name).isnan().tolist() == [True, False]


@pytest.mark.parametrize("multiple", [0, -1, math.nan])
def test_other_multiples_are_refused(multiple: float):
    with pytest.raises(InputError, match=f"multiple={multiple}; allowed: above 0"):
        own_lobe(torch.ones(1, 1, 3), multiple)


def test_bad_weights_are_refused():
    with pytest.raises(InputError, match=r"weight\.shape="):
        own_lobe(torch.ones(3, 3))
    with pytest.raises(InputError, match="grid=8; allowed: 13 or more"):
        own_lobe(torch.ones(1, 1, 7), grid=8)
