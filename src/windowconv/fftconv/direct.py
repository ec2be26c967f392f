"""Torch's own convolution, with what the operators add to it: a window, and padding that differs between two ends."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from windowconv.fftconv.arguments import Geometry
from windowconv.functional import windowed_weight
from windowconv.tracing import is_recorded

aten: Any = torch.ops.aten
HALVES = (torch.bfloat16, torch.float16)
TORCH: Any = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def direct_forward(
    input: Tensor, weight: Tensor, bias: Tensor | None, window: Tensor | None, geometry: Geometry
) -> Tensor:
    """The output (N, K, *outputs), or (K, *outputs) for an unbatched input.

    Args:
        input: (N, C, *sides) or (C, *sides), with one to three axes.
        weight: (K, C / groups, *taps).
        bias: (K,).
        window: broadcasts to the weight.
    """
    padded, padding = _pad_unevenly(input, geometry)
    stride, _, dilation, groups = geometry
    return TORCH[len(stride)](padded, windowed_weight(weight, window), bias, stride, padding, dilation, groups)


def direct_backward(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    window: Tensor | None,
    geometry: Geometry,
    needs: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of a 2-D input and of the raw weight, in their shapes; None where not needed.

    Args:
        grad_output: (N, K, H, W).
        input, weight, window: as in `direct_forward`, with a batch and two axes.
        needs: whether the gradients of (input, weight) are needed.
    """
    padded, padding = _pad_unevenly(input, geometry)
    stride, uneven, dilation, groups = geometry
    grad_input, grad_weight, _ = aten.convolution_backward(
        grad_output,
        padded,
        windowed_weight(weight, window),
        None,
        stride,
        padding,
        dilation,
        False,
        [0, 0],
        groups,
        [*needs, False],
    )
    if needs[0] and padded is not input:
        (top, bottom), (left, right) = uneven
        grad_input = F.pad(grad_input, (-left, -right, -top, -bottom))
    return grad_input, windowed_weight(grad_weight, window) if needs[1] else None


def gradient_misreads(input: Tensor, dtype: torch.dtype, geometry: Geometry) -> bool:
    """Whether torch's gradient of the weight would read memory that nobody wrote, as torch 2.15 does on CPUs.

    It does for rows that are padded and shorter than the stride, in bfloat16: the gradient has any values, NaN among
    them. Rows that hold their padding are read rightly.

    Args:
        input: (N, C, *sides) or (C, *sides).
        dtype: in which it is convolved.
    """
    if dtype not in HALVES or input.device.type != "cpu" or is_recorded() or torch.compiler.is_compiling():
        return False
    return input.shape[-1] < geometry.stride[-1] and max(geometry.padding[-1]) > 0


def _pad_unevenly(input: Tensor, geometry: Geometry) -> tuple[Tensor, list[int]]:
    """The input and the zeros at both ends of each axis; where the two ends differ, the zeros join the input, and so
    they do where torch's gradient would go wrong."""
    padding = geometry.padding
    if all(before == after for before, after in padding) and not gradient_misreads(input, input.dtype, geometry):
        return input, [before for before, _ in padding]
    return F.pad(input, [end for pair in reversed(padding) for end in pair]), [0] * len(padding)
