"""Figures of kernels against NumPy, closed forms and invariances."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from windowconv.errors import InputError
from windowconv.spectra.curve import GRID, power_spectrum
from windowconv.spectra.kernels import effective_support, frequency_response, kernel_figures, support_curve


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def grating(k: int, f: tuple[float, float]) -> torch.Tensor:
    rows, columns = torch.meshgrid(*[torch.arange(k, dtype=torch.float64)] * 2, indexing="ij")
    return torch.cos(2 * math.pi * (f[0] * rows + f[1] * columns))[None, None]


@pytest.mark.parametrize("shape", [(3, 2, 5), (2, 3, 3, 4), (2, 1, 3, 2, 5)])
def test_frequency_response_is_the_transform_about_the_middle(shape):
    weight, grid = noise(*shape), 16
    found = frequency_response(weight, grid).numpy()
    frequencies = np.fft.fftfreq(grid)
    expected = weight.numpy().astype(complex)
    for axis, taps in enumerate(shape[2:]):
        places = np.arange(taps) - (taps - 1) / 2
        transform = np.exp(-2j * np.pi * np.outer(frequencies, places))
        expected = np.moveaxis(np.tensordot(transform, expected, (1, axis + 2)), 0, axis + 2)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_symmetric_kernel_has_a_real_response():
    kernel = noise(1, 1, 7, 7)
    assert frequency_response(kernel + kernel.flip(2, 3)).imag.abs().max() < 1e-12


def test_its_square_is_the_energy_spectrum():
    weight = noise(4, 3, 5, 5)
    energy = frequency_response(weight).abs().square().sum(1)
    torch.testing.assert_close(energy, power_spectrum(weight), rtol=1e-10, atol=1e-10)


def test_a_single_tap_is_white():
    kernel = torch.zeros(1, 1, 5, 5)
    kernel[..., 2, 2] = 3
    figures = kernel_figures(kernel, stride=2)
    inside = np.abs(np.fft.fftfreq(GRID)) <= 0.25
    assert figures.flatness.item() == pytest.approx(1)
    assert figures.bandwidth.item() == pytest.approx(1)
    assert figures.aliased.item() == pytest.approx(1 - inside.mean() ** 2)
    assert figures.support.item() == 0
    assert figures.frequency.item() == 0
    assert figures.orientation.isnan().all()


@pytest.mark.parametrize(
    ("f", "angle"),
    [((0.0, 0.25), 0.0), ((0.25, 0.0), 90.0), ((0.1875, 0.1875), 45.0), ((-0.1875, 0.1875), 135.0)],
)
def test_peak_of_a_grating(f, angle):
    figures = kernel_figures(grating(31, f))
    assert figures.frequency.item() == pytest.approx(math.hypot(*f), abs=1 / GRID)
    assert figures.orientation.item() == pytest.approx(angle, abs=3)
    assert figures.flatness.item() < 0.1


def test_spectral_flatness_is_geometric_over_arithmetic_mean():
    weight = noise(3, 2, 5, 5)
    power = power_spectrum(weight).flatten(1).numpy()
    expected = np.exp(np.log(power).mean(1)) / power.mean(1)
    np.testing.assert_allclose(kernel_figures(weight).flatness.numpy(), expected, rtol=1e-10)


def test_aliased_energy_by_axis():
    """A grating of 3/8 cycles/pixel along the rows folds under a stride of 2 there, not under one along columns."""
    kernel = grating(31, (0.375, 0.0))
    assert kernel_figures(kernel, stride=(2, 1)).aliased.item() > 0.95
    assert kernel_figures(kernel, stride=(1, 2)).aliased.item() < 0.05
    assert kernel_figures(kernel).aliased.item() == 0


def test_support_by_hand():
    kernel = torch.zeros(1, 2, 3, 3)
    kernel[0, 0, 1, 1], kernel[0, 1, 0, 1], kernel[0, 0, 0, 0] = 2.0, 1.0, 1.0
    radii, mass = support_curve(kernel)
    torch.testing.assert_close(radii, torch.tensor([0.0, 1.0, math.sqrt(2)], dtype=torch.float64))
    torch.testing.assert_close(mass, torch.tensor([[4 / 6, 5 / 6, 1.0]], dtype=torch.float64))
    assert effective_support(kernel, 0.8).item() == 1
    assert effective_support(kernel).item() == pytest.approx(math.sqrt(2))
    assert effective_support(torch.ones(1, 1, 4), 0.5).item() == 0.5  # an even kernel's middle lies between taps


@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3))
def test_scale_and_transposition(seed, scale):
    weight = noise(2, 2, 5, 5, seed=seed)
    figures, scaled, turned = (kernel_figures(w, 2) for w in (weight, weight * scale, weight.mT))
    for name in ("frequency", "bandwidth", "flatness", "aliased", "support"):
        torch.testing.assert_close(getattr(scaled, name), getattr(figures, name), rtol=0, atol=1e-9)
        torch.testing.assert_close(getattr(turned, name), getattr(figures, name), rtol=0, atol=1e-9)


def test_a_filter_of_zeros_has_no_figures():
    weight = noise(2, 1, 3, 3)
    weight[0] = 0
    figures = kernel_figures(weight, 2)
    for name in ("peak", "frequency", "orientation", "bandwidth", "flatness", "aliased", "support"):
        assert getattr(figures, name)[0].isnan().all()
    for name in ("peak", "frequency", "bandwidth", "flatness", "aliased", "support"):
        assert getattr(figures, name)[1].isfinite().all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: frequency_response(torch.ones(1, 1, 9), 8), "grid=8"),
        (lambda: frequency_response(torch.ones(4096, 64, 3, 3), 512), "GiB"),
        (lambda: frequency_response(torch.ones(3, 3)), "shape"),
        (lambda: kernel_figures(torch.ones(1, 1, 3, 3), 0), "stride=0"),
        (lambda: kernel_figures(torch.ones(1, 1, 3, 3), (1, 2, 3)), "stride"),
        (lambda: effective_support(torch.ones(1, 1, 3), 0.0), "mass=0"),
        (lambda: support_curve(torch.tensor([[[math.nan]]])), "NaN"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
