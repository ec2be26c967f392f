"""Blur and subsample: a low-pass filter along each axis, of which every stride-th sample is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from windowconv.errors import InputError

PaddingMode = Literal["reflect", "replicate", "circular", "zeros"]
PADDING_MODES = ("reflect", "replicate", "circular", "zeros")
CONVOLVE: Any = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
DENSE = 5
"""Up to so many taps an axis all axes are filtered at once; longer filters go axis by axis, in fewer operations."""


def blur(input: Tensor, taps: Tensor, stride: Sequence[int], padding_mode: PaddingMode = "reflect") -> Tensor:
    """Filter every channel along each axis, and keep every stride-th sample from the first on.

        y[i] = sum_n h[n] x[s i + n - (taps - 1) // 2]

    Args:
        input: (N, C, *sides) or (C, *sides), of one axis to three.
        taps: h, (taps,), as of `blur_taps`.
        stride: s, one for each axis.
        padding_mode: what lies beyond an edge. With "zeros" edges become darker.

    Returns:
        (N, C, *outputs) or (C, *outputs), with ceil(side / stride) samples an axis.

    Raises:
        InputError: an unknown padding mode; a side too short for it: "reflect" needs more samples than are padded.
    """
    axes = len(stride)
    if input.ndim not in (axes + 1, axes + 2):
        raise InputError(f"input={tuple(input.shape)}; allowed: (N, C, *sides) or (C, *sides) with {axes} sides")
    batch = input if input.ndim == axes + 2 else input[None]
    if batch.shape[1] == 0 or batch.shape[0] == 0:
        sides = (-(-side // step) for side, step in zip(batch.shape[2:], stride, strict=True))
        output = batch.new_empty(*batch.shape[:2], *sides)
    else:
        output = _filtered(pad(batch, len(taps), axes, padding_mode), taps.to(batch), stride)
    return output if input.ndim == axes + 2 else output[0]


def pad(batch: Tensor, taps: int, axes: int, mode: str) -> Tensor:
    """A batch (N, C, *sides) with (taps - 1) // 2 samples before each side, and taps // 2 behind it."""
    before, behind = (taps - 1) // 2, taps // 2
    if mode not in PADDING_MODES:
        raise InputError(f"padding_mode={mode!r}; allowed: {', '.join(PADDING_MODES)}")
    if behind == 0:
        return batch
    shortest = min(batch.shape[2:])
    least = {"reflect": behind + 1, "circular": behind}.get(mode, 1)
    if shortest < least:
        sides = "x".join(map(str, batch.shape[2:]))
        raise InputError(
            f"input of {sides}; allowed: sides of {least} or more for a blur of {taps} taps with "
            f"padding_mode={mode!r}, or padding_mode='replicate'"
        )
    widths = [before, behind] * axes
    return F.pad(batch, widths) if mode == "zeros" else F.pad(batch, widths, mode=mode)


def _filtered(padded: Tensor, taps: Tensor, stride: Sequence[int]) -> Tensor:
    """A depthwise convolution of a padded batch with the product of the taps along each axis."""
    axes, channels = len(stride), padded.shape[1]
    if len(taps) <= DENSE:
        kernel = taps
        for _ in range(axes - 1):
            kernel = kernel[..., None] * taps
        weight = kernel.expand(channels, 1, *kernel.shape)
        return CONVOLVE[axes](padded, weight, stride=tuple(stride), groups=channels)
    for axis in range(axes):  # the first ones leave fewer samples to the others
        shape = [1] * axes
        shape[axis] = len(taps)
        steps = tuple(step if i == axis else 1 for i, step in enumerate(stride))
        weight = taps.view(1, 1, *shape).expand(channels, 1, *shape)
        padded = CONVOLVE[axes](padded, weight, stride=steps, groups=channels)
    return padded


def as_taps(values: Any, dtype: torch.dtype | None = None) -> Tensor:
    """Taps in float64 as a tensor of torch's default dtype."""
    return torch.as_tensor(values, dtype=torch.float64, device="cpu").to(dtype or torch.get_default_dtype())
