"""A layer's envelope, the power of a window that it is, and noise of that envelope."""

import math

import pytest
import torch

from windowconv import get_window
from windowconv.errors import InputError
from windowconv.spectra.curve import leakage_curve, power_spectrum
from windowconv.spectra.noise import noise_curve
from windowconv.spectra.profile import rms_profile, shaped_noise, window_power

HAMMING = get_window("hamming", (7, 7), dtype=torch.float64)


def test_the_profile_is_the_root_mean_square():
    weight = torch.tensor([[[[1.0, 2.0]], [[-3.0, 0.0]]], [[[1.0, 2.0]], [[1.0, 0.0]]]])
    torch.testing.assert_close(rms_profile(weight), torch.tensor([[math.sqrt(3), math.sqrt(2)]], dtype=torch.float64))


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_a_power_of_the_window_is_recognised(power: float):
    found = window_power(0.01 * HAMMING**power, HAMMING)
    assert found == pytest.approx(power, abs=1e-9)


def test_taps_of_zero_are_left_out():
    window = torch.tensor([0.0, 0.5, 1.0, 0.5, 0.0])
    assert window_power(window**2, window) == pytest.approx(2)


def test_no_power_without_two_taps_that_differ():
    assert window_power(torch.rand(5), torch.ones(5)) is None
    assert window_power(torch.rand(3), torch.tensor([0.0, 1.0, 0.0])) is None
    assert window_power(torch.zeros(7, 7), HAMMING) is None


def test_noise_has_the_profile():
    noise = shaped_noise(3 * HAMMING, count=20_000)
    torch.testing.assert_close(rms_profile(noise), 3 * HAMMING, rtol=0.03, atol=0)
    assert torch.equal(noise, shaped_noise(3 * HAMMING, count=20_000))
    assert not torch.equal(noise, shaped_noise(3 * HAMMING, count=20_000, seed=1))


def test_the_energy_spectrum_of_noise_is_flat_whatever_the_profile():
    """The expected energy at each frequency is the sum of the profile's squares."""
    power = power_spectrum(shaped_noise(HAMMING, count=20_000), 16).mean(0)
    torch.testing.assert_close(power, HAMMING.square().sum().expand(16, 16), rtol=0.05, atol=0)


def test_flat_noise_leaks_as_noise_does():
    curve = leakage_curve(shaped_noise(torch.ones(5, 5), count=2_000)).mean()
    assert curve.tolist() == pytest.approx(noise_curve((5, 5), 64), abs=0.01)


def test_bad_input():
    with pytest.raises(InputError, match=r"window\.shape=\(5,\); allowed: the profile's, \(7, 7\)"):
        window_power(HAMMING, torch.ones(5))
    with pytest.raises(InputError, match="window has the value -1; allowed: 0 or above"):
        window_power(torch.ones(3), torch.tensor([1.0, -1.0, 1.0]))
    with pytest.raises(InputError, match="profile has 1 NaN"):
        window_power(torch.tensor([1.0, math.nan]), torch.ones(2))
    with pytest.raises(InputError, match="count=0"):
        shaped_noise(torch.ones(3), count=0)
    with pytest.raises(InputError, match=r"weight\.shape"):
        shaped_noise(torch.tensor(1.0))
