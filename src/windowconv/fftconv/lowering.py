"""Convolutions along one or three axes, computed as two-dimensional ones.

A 1-D input is an image of one row. For three axes, each output slice along the depth is an image, and the depth taps
of its inputs are further channels ("im2col" along the depth alone): the input is copied (depth taps / depth stride)
times. Both use torch's own operations, so that derivatives, `vmap` and compilation work as for two axes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from windowconv.fftconv.arguments import Geometry

Shape = tuple[int, ...]


def lower_geometry(geometry: Geometry) -> Geometry:
    """The geometry of (height, width) for that of one to three axes."""
    stride, padding, dilation, groups = geometry
    if len(stride) == 1:
        return Geometry((1, *stride), ((0, 0), *padding), (1, *dilation), groups)
    return Geometry(stride[-2:], padding[-2:], dilation[-2:], groups)


def lower_shapes(input: Shape, weight: Shape, geometry: Geometry) -> tuple[Shape, Shape]:
    """The 2-D shapes of an input (N, C, *sides) and a weight (K, C / groups, *taps) of one to three axes."""
    if len(input) == 3:
        return (*input[:2], 1, input[2]), (*weight[:2], 1, weight[2])
    if len(input) == 4:
        return input, weight
    depth, taps = _depth_outputs(input[2], weight[2], geometry), weight[2]
    return (input[0] * depth, input[1] * taps, *input[3:]), (weight[0], weight[1] * taps, *weight[3:])


def lower_tensors(
    input: Tensor, weight: Tensor, window: Tensor | None, geometry: Geometry
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Input (N, C, *sides), weight (K, C / groups, *taps) and a window that broadcasts to the weight, for two axes."""
    axes = weight.ndim - 2
    if axes == 2:
        return input, weight, window
    if axes == 1:
        return input.unsqueeze(2), weight.unsqueeze(2), None if window is None else window.unsqueeze(-2)
    images = _depth_slices(input, weight.shape[2], geometry)
    if window is not None:
        window = window.expand(*window.shape[:-4], weight.shape[1], *weight.shape[2:]).flatten(-4, -3)
    return images, weight.flatten(1, 2), window


def raise_output(output: Tensor, input: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """The output (N, K, *outputs) from the 2-D one; the other arguments are those of `lower_tensors`."""
    axes = weight.ndim - 2
    if axes == 2:
        return output
    if axes == 1:
        return output.squeeze(2)
    slices = input.shape[0], _depth_outputs(input.shape[2], weight.shape[2], geometry)
    return output.unflatten(0, slices).movedim(1, 2).contiguous()


def _depth_outputs(size: int, taps: int, geometry: Geometry) -> int:
    return (size + sum(geometry.padding[0]) - geometry.dilation[0] * (taps - 1) - 1) // geometry.stride[0] + 1


def _depth_slices(input: Tensor, taps: int, geometry: Geometry) -> Tensor:
    """(N, C, D, H, W) to (N * output depth, C * depth taps, H, W)."""
    depth, (front, back) = _depth_outputs(input.shape[2], taps, geometry), geometry.padding[0]
    stride, dilation = geometry.stride[0], geometry.dilation[0]
    if front or back:
        input = F.pad(input, (0, 0, 0, 0, front, back))
    starts = [dilation * tap for tap in range(taps)]
    slices = [input[:, :, start : start + stride * (depth - 1) + 1 : stride] for start in starts]
    return torch.stack([s.transpose(1, 2) for s in slices], 3).flatten(2, 3).flatten(0, 1)
