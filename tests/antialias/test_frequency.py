"""Frequency low-pass pooling equals its definition in float64, for odd and even sizes."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from windowconv.antialias import FrequencyLowPassPool, frequency_low_pass


def axis_matrix(n: int, stride: int, window: str | None) -> Any:
    """The pooling of one axis by its definition, complex (M, n), without the real part."""
    m = -(-n // stride)
    k = np.arange(-(m // 2), (m + 1) // 2)
    into = np.exp(2j * np.pi * np.outer(np.arange(m), k) / m)
    out = np.exp(-2j * np.pi * np.outer(k, np.arange(n)) / n) / n
    weights = np.ones(m)
    if window == "hamming" and m > 1:  # 0.54 + 0.46 cos, over M - 1 or M intervals, and 1 at frequency zero
        weights = 0.54 + 0.46 * np.cos(2 * np.pi * k / (m - 1 if m % 2 else m))
    return into @ np.diag(weights) @ out


@given(
    sides=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    stride=st.integers(1, 3),
    window=st.sampled_from([None, "hamming"]),
)
@settings(max_examples=60)
def test_it_equals_its_definition(sides: list[int], stride: int, window: str | None) -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 1, *sides, dtype=torch.float64)
    expected: Any = x.numpy().astype(complex)
    for axis, n in enumerate(sides, start=2):
        expected = np.moveaxis(np.tensordot(axis_matrix(n, stride, window), expected, (1, axis)), 0, axis)
    found = frequency_low_pass(x, stride, window)
    np.testing.assert_allclose(found.numpy(), expected.real, atol=1e-12)


def test_the_mean_stays_and_low_frequencies_are_sampled_exactly() -> None:
    x = torch.rand(1, 1, 12, 15, dtype=torch.float64)
    torch.testing.assert_close(frequency_low_pass(x, 2, "hamming").mean(), x.mean())
    places = torch.arange(16, dtype=torch.float64)
    wave = torch.cos(2 * torch.pi * 3 * places / 16 + 0.4).view(1, 1, 16)
    torch.testing.assert_close(frequency_low_pass(wave), wave[..., ::2])  # 3 of 4 frequencies are kept


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_dtypes(dtype: torch.dtype) -> None:
    x = torch.rand(1, 2, 7, 8)
    found = FrequencyLowPassPool()(x.to(dtype))
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), frequency_low_pass(x), atol=1e-2, rtol=1e-2)
