"""A strided convolution as one of stride 1 on phases: every `stride`-th sample becomes channels of its own.

This is the polyphase decomposition (Oppenheim & Schafer, "Discrete-Time Signal Processing", section 4.7). With
before' = ceil(before / stride) and stride * before' - before zeros in front of the kernel, tap stride * q + phase of
output i multiplies input sample stride * (i + q - before') + phase: for each phase a convolution of stride 1, padded
by before'. Channels are ordered (group, phase of the height, phase of the width, channel).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor
from torch.nn import functional as F

from windowconv.fftconv.problem import Axis, Problem
from windowconv.fftconv.tile_plan import BYTE_COST, make_plan, training_cost
from windowconv.fftconv.tiling import is_channels_last


def can_phase(problem: Problem) -> bool:
    """Whether there is a stride, and no dilation, which phases do not support."""
    return any(axis.stride > 1 for axis in problem.axes) and all(axis.dilation == 1 for axis in problem.axes)


def cheaper_phased(problem: Problem) -> bool:
    """Whether phases are expected to cost less than computing all outputs of stride 1 and dropping most."""
    if not can_phase(problem) or problem.depthwise:
        return False
    height, width = problem.axes
    images = problem.batch * problem.in_channels * height.size * width.size
    kernels = problem.out_channels * problem.in_channels // problem.groups * height.taps * width.taps
    copies = BYTE_COST * 4 * 4 * (images + kernels)  # both and their gradients, read and written in float32
    return training_cost(make_plan(phased(problem))) + copies < training_cost(make_plan(problem))


def phased(problem: Problem) -> Problem:
    """The problem of the phases."""
    channels = problem.in_channels * problem.axes[0].stride * problem.axes[1].stride
    height, width = (_phased_axis(axis) for axis in problem.axes)
    return replace(problem, in_channels=channels, axes=(height, width))


def split_input(images: Tensor, problem: Problem) -> Tensor:
    """(N, C, H, W) as (N, C * strides, H / stride, W / stride), the sides rounded up with zeros."""
    height, width = problem.axes
    images = F.pad(images, (0, _missing(width.size, width), 0, _missing(height.size, height)))
    return _split(images, problem, 1)


def join_input(phases: Tensor, problem: Problem) -> Tensor:
    """The transpose of `split_input`."""
    height, width = problem.axes
    return _join(phases, problem, 1)[:, :, : height.size, : width.size]


def split_weight(weight: Tensor, problem: Problem) -> Tensor:
    """(K, C / groups, kh, kw) as (K, C / groups * strides, *taps of a phase), rounded up with zeros at both ends."""
    height, width = problem.axes
    top, left = _lead(height), _lead(width)
    bottom, right = (_missing(lead + axis.taps, axis) for lead, axis in ((top, height), (left, width)))
    return _split(F.pad(weight, (left, right, top, bottom)), problem, 0)


def join_weight(phases: Tensor, problem: Problem) -> Tensor:
    """The transpose of `split_weight`."""
    height, width = problem.axes
    top, left = _lead(height), _lead(width)
    return _join(phases, problem, 0)[:, :, top : top + height.taps, left : left + width.taps]


def _lead(axis: Axis) -> int:
    return -axis.before % axis.stride


def _missing(size: int, axis: Axis) -> int:
    return -size % axis.stride


def _phased_axis(axis: Axis) -> Axis:
    size, before = -(-axis.size // axis.stride), -(-axis.before // axis.stride)
    taps = -(-(_lead(axis) + axis.taps) // axis.stride)
    # negative if no output uses the last samples
    after = axis.outputs - 1 + taps - before - size
    return Axis(size, taps, before=before, after=after)


def _split(tensor: Tensor, problem: Problem, group_axis: int) -> Tensor:
    """Move the phases of both sides into the channels; the groups are part of axis 1 (input) or 0 (weight)."""
    groups = problem.groups if group_axis == 1 else 1
    first, channels, height, width = tensor.shape
    rows, columns = (axis.stride for axis in problem.axes)
    parts = (groups, channels // groups), (height // rows, rows), (width // columns, columns)
    split = tensor.reshape(first, *parts[0], *parts[1], *parts[2])
    shape = first, channels * rows * columns, height // rows, width // columns
    if not is_channels_last(tensor):
        return split.permute(0, 1, 4, 6, 2, 3, 5).reshape(shape)
    pixels = split.permute(0, 3, 5, 1, 4, 6, 2)
    return pixels.reshape(first, *shape[2:], shape[1]).permute(0, 3, 1, 2)


def _join(phases: Tensor, problem: Problem, group_axis: int) -> Tensor:
    """The inverse of `_split`."""
    groups = problem.groups if group_axis == 1 else 1
    first, channels, height, width = phases.shape
    rows, columns = (axis.stride for axis in problem.axes)
    split = phases.unflatten(1, (groups, rows, columns, channels // (groups * rows * columns)))
    shape = first, channels // (rows * columns), height * rows, width * columns
    if not is_channels_last(phases):
        return split.permute(0, 1, 4, 5, 2, 6, 3).reshape(shape)
    pixels = split.permute(0, 5, 2, 6, 3, 1, 4)
    return pixels.reshape(first, *shape[2:], shape[1]).permute(0, 3, 1, 2)
