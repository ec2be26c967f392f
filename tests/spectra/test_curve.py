"""Leakage curves against NumPy's transforms, closed forms and their invariances."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from windowconv.errors import InputError
from windowconv.spectra import leakage_curve, power_spectrum
from windowconv.spectra.curve import GRID
from windowconv.windows import get_window


def naive(kernel: np.ndarray, radii: list[float], grid: int = GRID) -> np.ndarray:
    """L(r) of one filter (channels, *kernel), by definition."""
    axes = kernel.ndim - 1
    spectrum = np.abs(np.fft.fftn(kernel, s=[grid] * axes, axes=range(1, axes + 1))) ** 2
    power = spectrum.sum(0)
    mesh = np.stack(np.meshgrid(*[np.fft.fftfreq(grid)] * axes, indexing="ij"))
    peak = mesh[(slice(None), *np.unravel_index(power.argmax(), power.shape))].reshape(-1, *[1] * axes)

    def distance(f: np.ndarray) -> np.ndarray:
        apart = np.abs(mesh - f)
        return np.sqrt((np.minimum(apart, 1 - apart) ** 2).sum(0))

    nearer = np.minimum(distance(peak), distance(-peak))
    return np.array([power[nearer > r + 1e-12].sum() / power.sum() for r in radii])


@pytest.mark.parametrize("shape", [(4, 3, 7), (4, 3, 3, 3), (3, 2, 7, 7), (2, 2, 5, 6), (2, 1, 3, 3, 3)])
def test_against_the_definition(shape):
    grid = GRID if len(shape) < 5 else 16
    weight = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    radii = [0.0, 1 / 16, 1 / 8, 1 / 4, 0.5]
    curve = leakage_curve(weight, radii, grid)
    expected = np.stack([naive(kernel, radii, grid) for kernel in weight.numpy()])
    np.testing.assert_allclose(curve.leakage.numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(curve.energy.numpy(), weight.square().flatten(1).sum(1).numpy(), rtol=1e-12)


def test_spectrum_is_the_transform_summed_over_channels():
    weight = torch.randn(3, 5, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = torch.fft.fftn(weight, s=[GRID, GRID], dim=(2, 3)).abs().square().sum(1)
    torch.testing.assert_close(power_spectrum(weight), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", [(3, 1, 5), (3, 1, 4, 5), (2, 1, 3, 1, 4), (2, 3, 17, 16)])
@pytest.mark.parametrize("grid", [9, 16, 33, 34])
def test_spectrum_of_single_kernels_on_any_grid(shape, grid):
    weight = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    if grid < 2 * max(shape[2:]) - 1:
        pytest.skip("too coarse a grid")
    axes = list(range(2, len(shape)))
    expected = torch.fft.fftn(weight, s=[grid] * len(axes), dim=axes).abs().square().sum(1)
    torch.testing.assert_close(power_spectrum(weight, grid), expected, rtol=1e-12, atol=1e-12)


@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3), rows=st.integers(0, 2), columns=st.integers(0, 2))
def test_scale_shift_transposition(seed, scale, rows, columns):
    weight = torch.randn(2, 2, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    curve = leakage_curve(weight).leakage
    torch.testing.assert_close(leakage_curve(weight * scale).leakage, curve, rtol=0, atol=1e-9)
    torch.testing.assert_close(leakage_curve(weight.mT).leakage, curve, rtol=0, atol=1e-9)
    shifted = torch.zeros(2, 2, 7, 7, dtype=torch.float64)
    shifted[:, :, rows : rows + 5, columns : columns + 5] = weight
    torch.testing.assert_close(leakage_curve(shifted).leakage, curve, rtol=0, atol=1e-9)


def test_falls_from_below_one_to_zero():
    weight = torch.randn(8, 3, 7, 7, generator=torch.Generator().manual_seed(2))
    leakage = leakage_curve(weight, [i / 64 for i in range(46)] + [0.71]).leakage
    assert (leakage.diff(dim=1) <= 1e-12).all()
    assert (leakage[:, 0] < 1).all()
    assert (leakage[:, -1] == 0).all()


def test_a_perfect_grating_does_not_leak():
    """With both peaks; from one of them alone the other's half of the energy would count as leaked."""
    x = torch.arange(32, dtype=torch.float64)
    grating = torch.cos(2 * torch.pi * x / 8).expand(1, 1, 32, 32)
    assert leakage_curve(grating).at(1 / 8).item() < 0.05  # of the rectangular window of 32 taps
    assert leakage_curve(grating).peak[0].abs().tolist() == [0.0, 1 / 8]


def test_hamming_leaks_less_than_a_flat_kernel_of_its_size():
    flat = torch.ones(1, 1, 7, 7, dtype=torch.float64)
    hamming = flat * get_window("hamming", (7, 7), dtype=torch.float64)
    for r in (1 / 4, 5 / 16):
        assert leakage_curve(hamming).at(r).item() < leakage_curve(flat).at(r).item()


def test_small_flat_kernels_leak_more():
    sizes = [leakage_curve(torch.ones(1, 1, k, k)).at(1 / 8).item() for k in (3, 5, 7, 9)]
    assert sizes == sorted(sizes, reverse=True)


def test_a_filter_of_zeros_is_nan_and_left_out_of_the_mean():
    weight = torch.randn(2, 1, 3, 3, generator=torch.Generator().manual_seed(3))
    weight[0] = 0
    curve = leakage_curve(weight)
    assert curve.leakage[0].isnan().all()
    torch.testing.assert_close(curve.mean(), curve.leakage[1])


@pytest.mark.parametrize(
    ("weight", "options", "message"),
    [
        (torch.ones(7, 7), {}, "shape"),
        (torch.ones(1, 1, 3, 3, 3, 3), {}, "shape"),
        (torch.ones(0, 1, 3, 3), {}, "shape"),
        (torch.ones(1, 1, 3, dtype=torch.complex64), {}, "real"),
        (torch.tensor([[[1.0, float("nan")]]]), {}, "NaN"),
        (torch.ones(1, 1, 40), {"grid": 64}, "grid=64; allowed: 79 or more"),
        (torch.ones(1, 1, 3), {"radii": [-0.1]}, "radii"),
        (torch.ones(1, 1, 3), {"radii": []}, "radii"),
        (torch.ones(1, 1, 3), {"radii": [float("nan")]}, "radii"),
    ],
)
def test_bad_input(weight, options, message):
    with pytest.raises(InputError, match=message):
        leakage_curve(weight, **options)


def test_at_takes_only_its_radii():
    with pytest.raises(InputError, match=r"r=0\.3"):
        leakage_curve(torch.ones(1, 1, 3)).at(0.3)
