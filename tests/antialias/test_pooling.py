"""Blurring against SciPy's correlation in float64; pooling and upsampling against their definitions."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate1d
from torch import nn

from windowconv import antialias
from windowconv.antialias import blur, blur_taps
from windowconv.errors import InputError

MODES = {"reflect": "mirror", "replicate": "nearest", "circular": "wrap", "zeros": "constant"}
POOLS: Any = {1: antialias.BlurPool1d, 2: antialias.BlurPool2d, 3: antialias.BlurPool3d}
UPSAMPLES: Any = {1: antialias.BlurUpsample1d, 2: antialias.BlurUpsample2d, 3: antialias.BlurUpsample3d}
MAX_POOLS: Any = {
    1: (antialias.MaxBlurPool1d, nn.MaxPool1d),
    2: (antialias.MaxBlurPool2d, nn.MaxPool2d),
    3: (antialias.MaxBlurPool3d, nn.MaxPool3d),
}


@given(data=st.data(), axes=st.integers(1, 3), taps=st.integers(1, 8), mode=st.sampled_from(sorted(MODES)))
@settings(max_examples=60)
def test_a_blur_is_scipys_correlation(data: st.DataObject, axes: int, taps: int, mode: Any) -> None:
    sides = data.draw(st.lists(st.integers(5, 9), min_size=axes, max_size=axes))
    stride = data.draw(st.lists(st.integers(1, 3), min_size=axes, max_size=axes))
    batch = data.draw(st.integers(0, 2))
    torch.manual_seed(0)
    x = torch.rand(*([batch] if batch else []), 2, *sides, dtype=torch.float64)
    h = blur_taps(taps)
    expected = x.numpy()
    for axis, step in zip(range(x.ndim - axes, x.ndim), stride, strict=True):
        # SciPy centres an even filter one sample later
        expected = correlate1d(expected, h, axis, mode=MODES[mode], origin=0 if taps % 2 else -1)
        expected = np.take(expected, range(0, expected.shape[axis], step), axis)
    found = blur(x, torch.from_numpy(h), stride, mode)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-14)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_pools_are_the_blur_with_default_taps(axes: int) -> None:
    x = torch.rand(2, 3, *[9] * axes)
    for stride in (1, 2, 3):
        pool = POOLS[axes](stride)
        h = torch.from_numpy(blur_taps(2 * stride - 1)).float()
        torch.testing.assert_close(pool(x), blur(x, h, [stride] * axes))
        assert pool(torch.full_like(x, 0.3)).sub(0.3).abs().max() < 1e-6
        assert not pool.state_dict()
        torch.testing.assert_close(pool(x[0]), pool(x)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtypes_and_memory_formats(dtype: torch.dtype) -> None:
    x = torch.rand(2, 4, 8, 8, dtype=dtype)
    pool = antialias.BlurPool2d()
    found = pool(x.contiguous(memory_format=torch.channels_last))
    assert found.dtype == dtype
    torch.testing.assert_close(found, pool(x))


@given(axes=st.integers(1, 3), size=st.integers(1, 4), stride=st.integers(1, 3), side=st.integers(5, 9), data=st.data())
@settings(max_examples=40)
def test_max_blur_pools_have_torchs_shapes(axes: int, size: int, stride: int, side: int, data: st.DataObject) -> None:
    ours, torchs = MAX_POOLS[axes]
    padding = data.draw(st.integers(0, size // 2))
    x = torch.rand(1, 2, *[side] * axes)
    found = ours(size, stride, padding, padding_mode="replicate")(x)
    assert found.shape == torchs(size, stride, padding)(x).shape
    dense = torchs(size, 1, padding)(x)
    h = torch.from_numpy(blur_taps(2 * stride - 1)).float()
    torch.testing.assert_close(found, blur(dense, h, [stride] * axes, "replicate"))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("stride", "taps"), [(2, 3), (2, 4), (3, 5), (2, 9), (3, 3)])
def test_upsampling_is_the_transposed_blur(axes: int, stride: int, taps: int) -> None:
    """<blur x, y> = <x, up y> / stride^axes, with zeros beyond the edges."""
    x = torch.rand(1, 2, *[4 * stride] * axes, dtype=torch.float64)
    y = torch.rand(1, 2, *[4] * axes, dtype=torch.float64)
    pool = POOLS[axes](stride, taps, padding_mode="zeros").double()
    up = UPSAMPLES[axes](stride, taps, padding_mode="zeros").double()
    assert up(y).shape == x.shape
    torch.testing.assert_close((pool(x) * y).sum() * stride**axes, (x * up(y)).sum())


def test_a_constant_stays_constant_when_it_is_upsampled() -> None:
    found = antialias.BlurUpsample2d()(torch.full((1, 1, 4, 5), 0.7))
    assert found.shape == (1, 1, 8, 10)
    torch.testing.assert_close(found, torch.full_like(found, 0.7))


def test_gradients() -> None:
    x = torch.rand(1, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    for layer in (antialias.BlurPool2d(2, 7), antialias.BlurUpsample2d(2, 5)):
        assert torch.autograd.gradcheck(layer.double(), (x,))
    pool = antialias.FrequencyLowPassPool(2, "hamming")
    assert torch.autograd.gradcheck(pool, (x,))


def test_what_would_fold_is_gone() -> None:
    """A cosine at the highest frequency becomes a constant by subsampling, and nothing by the blur."""
    x = torch.cos(torch.pi * torch.arange(16.0)).expand(1, 1, 16)
    assert x[..., ::2].abs().min() == 1
    assert antialias.BlurPool1d()(x).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: antialias.BlurPool2d(0), "stride=0"),
        (lambda: antialias.BlurPool2d(padding_mode="mirror"), "padding_mode='mirror'; allowed: reflect"),
        (lambda: antialias.BlurPool2d()(torch.rand(3, 4)), r"input=\(3, 4\); allowed: \(N, C, \*sides\)"),
        (lambda: antialias.BlurPool2d(2, 7)(torch.rand(1, 1, 3, 9)), "sides of 4 or more for a blur of 7 taps"),
        (lambda: antialias.MaxBlurPool2d(3, 2, 2), "padding=2; allowed: at most half of kernel_size=3"),
        (lambda: antialias.BlurUpsample2d(4, 3), "taps=3; allowed: at least the stride, 4"),
        (lambda: antialias.BlurUpsample2d(padding_mode="x"), "padding_mode='x'"),
        (lambda: antialias.FrequencyLowPassPool(0), "stride=0"),
        (lambda: antialias.FrequencyLowPassPool(2, "haming"), "did you mean 'hamming'"),
        (lambda: antialias.frequency_low_pass(torch.rand(2, 2)), r"input=\(2, 2\)"),
        (lambda: antialias.frequency_low_pass(torch.ones(1, 1, 4, dtype=torch.int64)), "input of torch.int64"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_nothing_in_nothing_out() -> None:
    assert antialias.BlurPool2d()(torch.rand(0, 3, 5, 6)).shape == (0, 3, 3, 3)
    assert antialias.BlurPool2d()(torch.rand(2, 0, 5, 6)).shape == (2, 0, 3, 3)
