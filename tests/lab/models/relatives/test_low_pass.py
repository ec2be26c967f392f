"""Low passes before subsampling, against SciPy's filters and the definition of the transform."""

import numpy as np
import torch
from scipy.ndimage import convolve1d
from scipy.signal import get_window
from torch import nn

from windowconv.lab.models.relatives.low_pass import blur, frequency_hamming, frequency_low_cut
from windowconv.spectra import aliasing


def test_a_blur_is_scipys_filter_of_which_every_second_sample_is_kept() -> None:
    x = torch.rand(1, 2, 7, 8, dtype=torch.float64)
    expected = x.numpy()
    for axis in (2, 3):
        expected = convolve1d(expected, [0.25, 0.5, 0.25], axis=axis, mode="mirror")
    np.testing.assert_allclose(blur(2).double()(x).numpy(), expected[:, :, ::2, ::2], rtol=1e-12)


def test_a_blur_of_a_single_sample_is_the_sample() -> None:
    x = torch.rand(2, 3, 1, 1)
    torch.testing.assert_close(blur(2)(x), x)


def test_frequencies_are_cut_off_by_definition() -> None:
    x = np.random.default_rng(0).normal(size=(8, 8))
    for make, weights in ((frequency_low_cut, np.ones(4)), (frequency_hamming, get_window("hamming", 4))):
        frequencies, n, m = np.arange(-2, 2), np.arange(8), np.arange(4)
        forward = np.exp(-2j * np.pi * np.outer(frequencies, n) / 8) / 8
        back = np.exp(2j * np.pi * np.outer(m, frequencies) / 4) * weights
        expected = (back @ forward @ x @ forward.T @ back.T).real
        got = make(2)(torch.from_numpy(x)[None, None])[0, 0].numpy()
        np.testing.assert_allclose(got, expected, atol=1e-12)


def test_what_folds_is_less_after_a_blur_and_nothing_after_a_cut() -> None:
    torch.manual_seed(0)
    images = torch.rand(8, 3, 16, 16)
    layers = (nn.MaxPool2d(1, 2), blur(2), frequency_low_cut(2))
    networks = (nn.Sequential(nn.Conv2d(3, 3, 1), layer) for layer in layers)
    plain, blurred, cut = (aliasing(network, images).layers[0].folded for network in networks)
    assert plain > 0.5
    assert 0 < blurred < plain / 3
    assert cut < 1e-12
