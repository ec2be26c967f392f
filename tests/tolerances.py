"""How near two tensors must be, by dtype; a failure prints the largest absolute and relative error."""

from typing import Any

import torch
from torch import Tensor

# Relative to the largest magnitude expected: sums of hundreds of products, whose rounding grows with their terms.
TOLERANCES = {
    torch.float64: 1e-13,
    torch.float32: 2e-6,
    torch.bfloat16: 2e-2,
    torch.float16: 2e-3,
    torch.complex128: 1e-13,
    torch.complex64: 2e-6,
}


def assert_close(got: Any, expected: Any, dtype: torch.dtype | None = None, scale: float = 1.0) -> None:
    """Compare tensors, or tuples and dicts of them, in the tolerance of `dtype` (None: `got`'s) times `scale`."""
    if isinstance(expected, dict):
        assert list(got) == list(expected)
        for key, value in expected.items():
            assert_close(got[key], value, dtype, scale)
        return
    if isinstance(expected, list | tuple):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_close(one, other, dtype, scale)
        return
    assert isinstance(got, Tensor), type(got)
    assert got.shape == expected.shape, f"shape {tuple(got.shape)}, expected {tuple(expected.shape)}"
    if got.numel() == 0:
        return
    dtype = dtype or got.dtype
    wide = torch.complex128 if got.is_complex() else torch.float64
    one, other = got.detach().to(wide), expected.detach().to(wide)
    error = (one - other).abs()
    largest = other.abs().max()
    allowed = TOLERANCES[dtype] * scale * largest
    relative = error / other.abs().clamp(min=1e-300)
    assert bool((error <= allowed).all()), (
        f"largest absolute error {error.max():.3g}, allowed {allowed:.3g}; "
        f"largest relative error {relative.max():.3g}; largest value {largest:.3g} ({dtype})"
    )
