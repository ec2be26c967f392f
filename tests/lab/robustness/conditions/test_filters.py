"""Noise keeps to its band and its size, filters agree with NumPy's and SciPy's transforms, the mean stays."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.fft import dctn, idctn

from natural_pictures import natural_like
from windowconv.errors import InputError
from windowconv.lab.robustness.conditions.bands import BANDS
from windowconv.lab.robustness.conditions.filters import band_noise, high_pass, low_pass

SIZES = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(9, 33), st.integers(9, 33))


def radius(height: int, width: int) -> np.ndarray:
    return np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])


@given(SIZES, st.sampled_from(list(BANDS.values())), st.sampled_from([0.0, 0.05, 0.3]))
def test_noise_keeps_to_its_band_and_size(
    shape: tuple[int, int, int, int], band: tuple[float, float], std: float
) -> None:
    noise = band_noise(shape, *band, std)
    assert noise.shape == shape
    assert noise.dtype == torch.float32
    norms = torch.linalg.vector_norm(noise.double(), dim=(2, 3)).numpy()
    np.testing.assert_allclose(norms, std * math.sqrt(shape[2] * shape[3]), rtol=1e-5)
    power = np.abs(np.fft.fft2(noise.double().numpy())) ** 2
    r = radius(*shape[2:])
    outside = (r < band[0]) | (r >= band[1]) | (r == 0)
    assert power[:, :, outside].sum() <= 1e-10 * max(power.sum(), 1e-30)


def test_noise_is_the_transform_in_the_docstring() -> None:
    low, high = BANDS["mid"]
    drawn = np.random.default_rng((3, 5)).standard_normal((2, 16, 12))
    r = radius(16, 12)
    kept = np.fft.ifft2(np.fft.fft2(drawn) * ((r >= low) & (r < high))).real
    kept *= 0.2 * math.sqrt(16 * 12) / np.linalg.norm(kept, axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(band_noise((1, 2, 16, 12), low, high, 0.2, seed=3, first=5)[0].numpy(), kept, atol=1e-6)


def test_noise_depends_on_seed_and_number_not_on_the_batch() -> None:
    whole = band_noise((5, 1, 16, 16), 0, 0.125, 0.1, seed=7)
    parts = [band_noise((2, 1, 16, 16), 0, 0.125, 0.1, 7), band_noise((3, 1, 16, 16), 0, 0.125, 0.1, 7, first=2)]
    assert torch.equal(whole, torch.cat(parts))
    assert not torch.equal(whole, band_noise((5, 1, 16, 16), 0, 0.125, 0.1, seed=8))
    assert not torch.equal(whole[0], whole[1])


@pytest.mark.parametrize("cutoff", [1 / 16, 1 / 8, 3 / 16, 1 / 4])
@pytest.mark.parametrize("size", [(28, 28), (9, 14)])
def test_filters_are_masks_of_the_cosine_transform(cutoff: float, size: tuple[int, int]) -> None:
    # an image and its mirror images have the cosine transform's frequencies, half a cycle apart
    images = 0.3 + 0.4 * torch.rand(2, 3, *size)
    r = np.hypot(np.arange(size[0])[:, None] / (2 * size[0]), np.arange(size[1])[None] / (2 * size[1]))
    turned: Any = dctn(images.double().numpy(), axes=(2, 3))
    for passed, mask in ((low_pass(images, cutoff), r < cutoff), (high_pass(images, cutoff), (r >= cutoff) | (r == 0))):
        expected: Any = idctn(turned * mask, axes=(2, 3))
        np.testing.assert_allclose(passed.numpy(), expected.clip(0, 1), atol=1e-6)
        assert passed.dtype == torch.float32


def test_what_the_filters_pass_adds_up_and_the_mean_stays() -> None:
    images = 0.4 + 0.1 * natural_like(4).float() / 255  # nothing is clipped
    low, high = low_pass(images, 1 / 8), high_pass(images, 1 / 8)
    mean = images.mean((2, 3), keepdim=True)
    torch.testing.assert_close(low + high - mean, images, atol=1e-6, rtol=0)
    for passed in (low, high):
        torch.testing.assert_close(passed.mean((2, 3), keepdim=True), mean, atol=1e-6, rtol=0)


def test_an_even_image_passes_whole() -> None:
    images = torch.full((1, 1, 9, 9), 0.25)
    torch.testing.assert_close(low_pass(images, 1 / 64), images)
    torch.testing.assert_close(high_pass(images, 1 / 64), images)


def test_results_are_pictures() -> None:
    images = torch.rand(3, 3, 16, 16).round()
    for passed in (low_pass(images, 1 / 8), high_pass(images, 1 / 8)):
        assert 0 <= passed.min() <= passed.max() <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: band_noise((1, 1, 8, 8), 0.3, 0.2, 0.1), "images of 8x8 have no frequency in this band"),
        (lambda: band_noise((1, 1, 8, 8), 0.0, 0.01, 0.1), "no frequency in this band"),
        (lambda: band_noise((1, 1, 8, 8), 0, 1, -0.1), "std=-0.1; allowed"),
        (lambda: band_noise((1, 1, 8, 8), 0, 1, math.nan), "std=nan; allowed"),
        (lambda: band_noise((1, 1, 8, 8), 0, 1, 0.1, seed=-1), "seed=-1, first=0; allowed: 0 or more"),
        (lambda: low_pass(torch.zeros(1, 1, 8, 8), 0), "cutoff=0; allowed: above 0"),
        (lambda: low_pass(torch.zeros(1, 1, 8, 8), math.nan), "cutoff=nan; allowed"),
        (lambda: high_pass(torch.full((1, 1, 8, 8), 1.5), 0.1), "images reach from 1.5 to 1.5; allowed: 0 to 1"),
        (lambda: high_pass(torch.full((1, 1, 8, 8), math.nan), 0.1), "images reach from nan to nan"),
        (lambda: low_pass(torch.zeros(1, 8, 8), 0.1), r"images: \(1, 8, 8\) of torch.float32"),
        (lambda: low_pass(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), 0.1), "torch.uint8; allowed: floats"),
        (lambda: low_pass(torch.zeros(0, 1, 8, 8), 0.1), r"images: \(0, 1, 8, 8\)"),
    ],
)
def test_what_cannot_be_filtered_is_named(call, message) -> None:
    with pytest.raises(InputError, match=message):
        call()
