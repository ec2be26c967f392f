"""Where a perturbation's energy lies agrees with NumPy's Fourier transform and with closed forms."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from windowconv.errors import InputError
from windowconv.lab.robustness.conditions.bands import BANDS, energy, frequency_radius, spectrum


@pytest.mark.parametrize("size", [(32, 32), (28, 28), (5, 8), (1, 1)])
def test_the_radius_is_numpys(size: tuple[int, int]) -> None:
    expected = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.fftfreq(size[1])[None])
    np.testing.assert_allclose(frequency_radius(*size).numpy(), expected, rtol=1e-15)


def test_bands_leave_no_gap() -> None:
    ends = list(BANDS.values())
    assert ends[0][0] == 0
    assert all(one[1] == other[0] for one, other in pairwise(ends))
    assert ends[-1][1] > np.sqrt(0.5)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(2, 9), st.integers(2, 9))
def test_energy_is_that_of_the_squares(n: int, channels: int, height: int, width: int) -> None:
    changes = torch.randn(n, channels, height, width)
    found = energy(changes)
    expected = (np.abs(np.fft.fft2(changes.double().numpy())) ** 2).sum((0, 1)) / (height * width)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10, atol=1e-12)
    assert found.sum().item() == pytest.approx(changes.double().square().sum().item())
    figures = spectrum(found, changes.numel())
    assert sum(figures.shares.values()) == pytest.approx(1)
    assert figures.rms == pytest.approx(changes.double().square().mean().sqrt().item())


@pytest.mark.parametrize(
    ("cycles", "band"), [(0, "low"), (3, "low"), (4, "mid"), (7, "mid"), (8, "high"), (16, "high")]
)
def test_a_wave_lies_in_its_band(cycles: int, band: str) -> None:
    wave = torch.cos(2 * torch.pi * cycles * torch.arange(32) / 32).expand(1, 1, 32, 32)
    found = spectrum(energy(wave), wave.numel())
    assert found.shares[band] == pytest.approx(1)
    assert found.median == pytest.approx(cycles / 32)
    assert found.band() == band


def test_white_noise_is_spread_as_the_bands_areas_are() -> None:
    noise = torch.randn(400, 1, 32, 32)
    found = spectrum(energy(noise), noise.numel())
    radius = frequency_radius(32, 32)
    for band, (low, high) in BANDS.items():
        area = ((radius >= low) & (radius < high)).double().mean().item()
        assert found.shares[band] == pytest.approx(area, rel=0.03)
    assert found.median == pytest.approx(radius.median().item(), rel=0.03)
    assert found.band() == "high"


@pytest.mark.parametrize(("low", "high", "median"), [(1.0, 0.5, 2 / 32), (0.5, 1.0, 10 / 32)])
def test_half_of_the_energy_lies_within_the_median(low: float, high: float, median: float) -> None:
    x = 2 * torch.pi * torch.arange(32) / 32
    waves = (low * torch.cos(2 * x) + high * torch.cos(10 * x)).expand(1, 1, 32, 32)
    assert spectrum(energy(waves), waves.numel()).median == pytest.approx(median)


def test_no_change_has_no_band() -> None:
    found = spectrum(energy(torch.zeros(2, 1, 4, 4)), 32)
    assert (found.rms, found.median, found.band()) == (0.0, None, None)
    assert found.values() == {"rms": 0.0, "shares": {"low": 0.0, "mid": 0.0, "high": 0.0}, "median": None}
    with pytest.raises(InputError, match="values=0; allowed: 1 or more"):
        spectrum(torch.zeros(4, 4), 0)
