"""Large convolutions in blocks of images and of output channels (or groups), which bound their work space."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from windowconv.errors import WindowWarning
from windowconv.fftconv.problem import Problem
from windowconv.fftconv.tile_plan import TilePlan

LANES = 32  # the most channels in a block of an implementation
_warned = False


@dataclass(frozen=True)
class Block:
    """A part of a problem: slices of the images, of the input channels and of the output channels, and its problem."""

    images: slice
    inputs: slice
    outputs: slice
    problem: Problem


@dataclass(frozen=True)
class Division:
    """The images of a block, and its output channels (or its groups, if there are several)."""

    images: int
    outputs: int

    def blocks(self, problem: Problem) -> Iterator[Block]:
        """The blocks of a problem: all output channels of the first images, then those of the next."""
        for first in range(0, problem.batch, self.images):
            images = slice(first, min(first + self.images, problem.batch))
            count = problem.groups if problem.groups > 1 else problem.out_channels
            for start in range(0, count, self.outputs):
                yield _block(problem, images, start, min(start + self.outputs, count))


def _block(problem: Problem, images: slice, start: int, stop: int) -> Block:
    batch = images.stop - images.start
    if problem.groups == 1:
        part = replace(problem, batch=batch, out_channels=stop - start)
        return Block(images, slice(None), slice(start, stop), part)
    each_in, each_out = problem.in_channels // problem.groups, problem.out_channels // problem.groups
    inputs, outputs = slice(start * each_in, stop * each_in), slice(start * each_out, stop * each_out)
    count = stop - start
    part = Problem(batch, count * each_in, count * each_out, count, problem.axes)
    return Block(images, inputs, outputs, part)


def work_bytes(plan: TilePlan, itemsize: int = 4) -> int:
    """Bytes of the complex spectra of input, kernel and output, in whole blocks of channels.

    Args:
        itemsize: bytes of a real number in the spectra.
    """
    p = plan.problem
    groups = 1 if p.depthwise else p.groups
    each_in, each_out = (_padded(channels // groups) for channels in (p.in_channels, p.out_channels))
    kernels = 1 if p.depthwise else p.out_channels // groups
    values = groups * (plan.rows * (each_in + each_out) + kernels * each_in)
    return 2 * itemsize * plan.frequencies * values


def _padded(channels: int) -> int:
    return -(-channels // LANES) * LANES


def divide(plan: TilePlan, limit: int, itemsize: int = 4) -> Division | None:
    """The largest blocks whose spectra fit into `limit` bytes; None if the smallest do not.

    Output channels are halved first: dividing the batch transforms all kernels again for each part.
    """
    p = plan.problem
    whole = p.groups if p.groups > 1 else p.out_channels
    smallest = 1 if p.groups > 1 and not p.depthwise else min(LANES, whole)
    images, outputs = max(1, p.batch), whole
    while True:
        part = _block(p, slice(0, images), 0, outputs).problem
        if work_bytes(replace(plan, problem=part), itemsize) <= limit:
            return Division(images, outputs)
        if outputs > smallest:
            outputs = max(smallest, -(-outputs // 2))
        elif images > 1:
            images, outputs = -(-images // 2), whole
        else:
            return None


def warn_too_large(plan: TilePlan, limit: int) -> None:
    """Warn, once a process, that a convolution is computed directly for want of work space."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            f"a convolution ({plan}) needs more work space than the {limit / 2**20:.0f} MiB allowed and is computed "
            "directly, like others of its size; windowconv.fftconv.set_workspace_limit(bytes) allows more",
            WindowWarning,
            stacklevel=2,
        )


class GradientSum:
    """A gradient of the shape and dtype of `like`, summed from parts in float32 or float64."""

    def __init__(self, like: Tensor) -> None:
        self.like = like
        self.total = torch.zeros_like(like, dtype=torch.promote_types(like.dtype, torch.float32))

    def add(self, index: tuple[slice, ...], part: Tensor) -> None:
        """Add a part at `index`: slices of the images and channels."""
        self.total[index] += part

    def result(self) -> Tensor:
        """The sum in the dtype of `like`."""
        return self.total.to(self.like.dtype)
