"""Large convolutions in blocks of images and of output channels (or groups), so that work space stays bounded."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from windowconv.errors import WindowWarning
from windowconv.fftconv.plan import Plan
from windowconv.fftconv.problem import Problem

LANES = 32  # channels come in blocks of at most this many
_told = False


@dataclass(frozen=True)
class Block:
    """Images `first ... last - 1` and, of every channel-wise thing, the parts that belong together."""

    images: slice
    inputs: slice
    outputs: slice
    problem: Problem


@dataclass(frozen=True)
class Division:
    """How many images, and how many output channels (or groups, where there are several), go together."""

    images: int
    outputs: int

    def blocks(self, problem: Problem) -> Iterator[Block]:
        """The blocks of a problem, all output channels of some images first."""
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


def work_bytes(plan: Plan, itemsize: int = 4) -> int:
    """What the spectra of an input, its kernel and its output take: complex, in whole blocks of channels."""
    p = plan.problem
    groups = 1 if p.depthwise else p.groups
    each_in, each_out = (_padded(channels // groups) for channels in (p.in_channels, p.out_channels))
    kernels = 1 if p.depthwise else p.out_channels // groups
    values = groups * (plan.rows * (each_in + each_out) + kernels * each_in)
    return 2 * itemsize * plan.frequencies * values


def _padded(channels: int) -> int:
    return -(-channels // LANES) * LANES


def divide(plan: Plan, limit: int, itemsize: int = 4) -> Division | None:
    """The largest blocks whose spectra fit into `limit` bytes; None if not even one image and few channels do.

    Output channels are halved first: a batch in parts has its kernels transformed for each.
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


def tell_too_large(plan: Plan, limit: int) -> None:
    """Say once that a convolution goes directly because its work space is not allowed."""
    global _told
    if not _told:
        _told = True
        warnings.warn(
            f"a convolution ({plan}) needs more work space than the {limit / 2**20:.0f} MiB allowed, so it is computed "
            "directly (and so are others like it); windowconv.fftconv.set_workspace_limit allows more",
            WindowWarning,
            stacklevel=2,
        )


class Sum:
    """A gradient that comes in parts, summed in float32 or better."""

    def __init__(self, like: Tensor) -> None:
        self.like = like
        self.total = torch.zeros_like(like, dtype=torch.promote_types(like.dtype, torch.float32))

    def add(self, place: tuple[slice, ...], part: Tensor) -> None:
        """Add to some channels or images."""
        self.total[place] += part

    def result(self) -> Tensor:
        """The sum in the precision of what it is the gradient of."""
        return self.total.to(self.like.dtype)
