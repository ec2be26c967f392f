"""A layer's shape is what the functions for single measures say, and reaches the network's tables."""

import pytest
import torch
from torch import nn

from windowconv import LearnableWindow, WindowedConv2d, get_window
from windowconv.errors import InputError
from windowconv.spectra.curve import leakage_curve
from windowconv.spectra.filters import layer_filters
from windowconv.spectra.kernel_lobes import own_lobe
from windowconv.spectra.layer_shape import kernel_shape
from windowconv.spectra.network import leakage
from windowconv.spectra.profile import rms_profile, shaped_noise
from windowconv.spectra.shape_table import COLUMNS
from windowconv.spectra.taps import central_energy

HAMMING = get_window("hamming", (7, 7), dtype=torch.float64)


def test_agrees_with_the_functions_for_one_measure():
    weight = torch.randn(4, 3, 7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * HAMMING**2
    shape = kernel_shape(weight, HAMMING)
    torch.testing.assert_close(shape.profile, rms_profile(weight))
    assert shape.window_power == pytest.approx(2, abs=0.2)
    sides, held = central_energy(weight.flatten(0, 1)[None])
    assert list(shape.central) == sides.tolist() == [1, 3, 5, 7]
    assert list(shape.central.values()) == held[0].tolist()
    lobes = own_lobe(weight.flatten(0, 1)[:, None])
    assert shape.outside_lobe == pytest.approx(lobes.outside.mean().item())
    assert shape.own_leakage == pytest.approx(lobes.leakage.mean().item())
    noise = shaped_noise(rms_profile(weight), 128)
    assert shape.noise_quarter == pytest.approx(leakage_curve(noise).at(1 / 4).mean().item())
    assert shape.noise_outside_lobe == pytest.approx(own_lobe(noise).outside.mean().item())


def test_a_layer_of_noise_is_as_its_reference():
    shape = kernel_shape(shaped_noise(HAMMING, 2_000, seed=1), HAMMING, kernels=1_000)
    assert shape.window_power == pytest.approx(1, abs=0.03)
    assert shape.outside_lobe == pytest.approx(shape.noise_outside_lobe, abs=0.02)
    assert shape.own_leakage == pytest.approx(shape.noise_own_leakage, abs=0.02)


def test_a_layer_of_zeros_has_a_profile_only():
    shape = kernel_shape(torch.zeros(2, 2, 7, 7), HAMMING)
    assert set(shape.figures().values()) == {None}
    assert shape.profile.eq(0).all()


@pytest.mark.parametrize("dilation", [1, 2])
def test_the_window_is_the_kernels_own(dilation: int):
    fixed = WindowedConv2d(1, 2, 7, dilation=dilation)
    window = layer_filters("", fixed).window_values
    assert window is not None
    torch.testing.assert_close(window[::dilation, ::dilation].double(), HAMMING, atol=1e-6, rtol=0)
    assert window.count_nonzero() == 49
    layer = leakage(nn.Sequential(fixed)).layers[0]
    assert layer.shape.window_power == pytest.approx(1, abs=0.3)
    assert layer.shape.side == layer.means()["side"]


def test_learnable_and_plain_windows():
    learnable = WindowedConv2d(1, 2, 7, window=LearnableWindow("gaussian"))
    window = layer_filters("", learnable).window_values
    assert window is not None
    torch.testing.assert_close(learnable.weight * window.float(), learnable.effective_weight)
    assert layer_filters("", nn.Conv2d(1, 1, 3)).window_values is None
    assert layer_filters("", WindowedConv2d(1, 1, 3, window="boxcar")).window_values is None


def test_kernels_of_many_taps_have_a_grid_that_fits():
    shape = kernel_shape(torch.ones(1, 1, 101))
    assert (shape.side, shape.participation) == (97, pytest.approx(101))
    assert shape.outside_lobe == pytest.approx(0.097, abs=0.01)


def test_every_column_is_a_number_of_the_shape():
    assert set(COLUMNS) <= set(kernel_shape(torch.ones(1, 1, 3)).figures())


def test_bad_input():
    with pytest.raises(InputError, match="kernels=0"):
        kernel_shape(torch.ones(1, 1, 3), kernels=0)
    with pytest.raises(InputError, match=r"window\.shape"):
        kernel_shape(torch.ones(1, 1, 3), torch.ones(5))
