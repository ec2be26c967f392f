"""Torch's own convolution with what the operators have more: a window, and padding that differs between two sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

aten: Any = torch.ops.aten


def convolve(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    window: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """The output of `operator.conv2d`, whose arguments these are."""
    input, sides = _padded(input, padding)
    weight = windowed(weight, window)
    return aten.convolution(input, weight, bias, stride, sides, dilation, False, [0, 0], groups)


def gradients(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    window: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    needs: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of `operator.conv2d_backward`, whose arguments these are; None where not needed."""
    padded, sides = _padded(input, padding)
    effective = windowed(weight, window)
    grad_input, grad_weight, _ = aten.convolution_backward(
        grad_output, padded, effective, None, stride, sides, dilation, False, [0, 0], groups, [*needs, False]
    )
    if needs[0] and padded is not input:
        top, bottom, left, right = padding
        grad_input = F.pad(grad_input, (-left, -right, -top, -bottom))
    if needs[1]:
        grad_weight = windowed(grad_weight, window)
    return grad_input, grad_weight


def windowed(weight: Tensor, window: Tensor | None) -> Tensor:
    """`weight * window` in the weight's precision, rounded once."""
    return weight if window is None else (weight * window).to(weight.dtype)


def _padded(input: Tensor, padding: Sequence[int]) -> tuple[Tensor, list[int]]:
    """The input, and its padding on both sides of each axis: uneven padding goes into the input."""
    top, bottom, left, right = padding
    if top == bottom and left == right:
        return input, [top, left]
    return F.pad(input, (left, right, top, bottom)), [0, 0]
