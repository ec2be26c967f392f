"""The work of either algorithm for a problem: counts of a few kinds of work, for `rates` to price.

Torch's direct convolution is counted as oneDNN computes it: in blocks of 16 channels, without rows of taps that only
multiply padding. "fft" is counted from the plan of the rewritten problem, block by block if work space bounds it. A
training step is the forward pass and both gradients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from windowconv.fftconv.blocks import divide
from windowconv.fftconv.problem import Axis, Problem
from windowconv.fftconv.rewriting import rewrite, rewritten
from windowconv.fftconv.tile_plan import TilePlan, make_plan, product_macs, transform_macs

Counts = Mapping[str, float]
Family = Literal["dense", "strided", "grouped", "depthwise"]

FAMILIES: tuple[Family, ...] = ("dense", "strided", "grouped", "depthwise")
DIRECT = ("call", "sample", "fresh", "weight", "tap", "product", "inside", "padded")
FFT = ("call", "sample", "weight", "copy", "spectrum", "kernel", "transform", "product")
# each group of work that one machine may do faster or slower than another by a factor of its own
SHARES = {
    "call": ("call",),
    "memory": ("sample", "fresh", "weight", "copy", "spectrum", "kernel"),
    "arithmetic": ("tap", "product", "inside", "padded", "transform"),
}
CHANNEL_BLOCK = 16  # of oneDNN's layouts
FRESH_FROM = 32 << 20  # bytes; glibc maps larger tensors afresh at every call, with a fault for each page


def family(problem: Problem) -> Family:
    """The kind of problem: torch has an implementation, with rates of its own, for each."""
    if problem.depthwise:
        return "depthwise"
    if problem.groups > 1:
        return "grouped"
    return "strided" if any(axis.stride > 1 for axis in problem.axes) else "dense"


def direct_counts(problem: Problem, itemsize: int, training: bool) -> Counts:
    """The work of torch's own convolution, by the kinds of `DIRECT`.

    Each gradient does as many products as the forward pass; that is part of the rates of a training step, for which
    only `fresh` differs.
    """
    height, width = problem.axes
    inputs = problem.batch * problem.in_channels * height.size * width.size
    outputs = problem.batch * problem.out_channels * height.outputs * width.outputs
    taps = height.taps * width.taps
    each_in, each_out = problem.in_channels // problem.groups, problem.out_channels // problem.groups
    rows = taps_inside(height) * width.outputs * width.taps  # taps of all outputs of an image
    images = problem.batch * problem.groups
    weights = problem.out_channels * each_in * taps  # which torch reorders
    results = (outputs, inputs, 2 * weights) if training else (outputs, weights)
    return {
        "call": 1,
        "sample": inputs + outputs,
        "fresh": sum(itemsize * count for count in results if itemsize * count >= FRESH_FROM),
        "weight": weights,
        "tap": outputs * taps,
        "product": problem.multiply_adds,
        "inside": images * each_out * each_in * rows,
        "padded": images * _whole(each_out, CHANNEL_BLOCK) * _whole(each_in, CHANNEL_BLOCK) * rows,
    }


def taps_inside(axis: Axis) -> int:
    """The taps, summed over all outputs of an axis, that multiply an input sample.

    >>> taps_inside(Axis(size=4, taps=3, before=1, after=1))
    10
    """
    starts = (i * axis.stride - axis.before for i in range(axis.outputs))
    return sum(
        max(0, min(axis.taps, -(-(axis.size - start) // axis.dilation)) - max(0, -(start // axis.dilation)))
        for start in starts
    )


def _whole(channels: int, block: int) -> int:
    return _parts(channels, block) * block


def fft_counts(problem: Problem, itemsize: int, training: bool, lanes: int, limit: int) -> Counts | None:
    """The work of the convolution through the frequency domain, by the kinds of `FFT`.

    Args:
        itemsize: bytes of a real number in the spectra.
        lanes: channels in a block; only whole blocks are computed.
        limit: bytes of work space.

    Returns:
        The counts; None if not even the smallest block of the problem fits into the work space.
    """
    inner = rewritten(problem)
    copies = sum(_copied(step.before, step.after) for step in rewrite(problem))
    plan = make_plan(inner)
    division = divide(plan, limit, itemsize)
    if division is None:
        return None
    blocks = _parts(inner.batch, division.images)
    blocks *= _parts(inner.groups if inner.groups > 1 else inner.out_channels, division.outputs)
    if blocks > 1:
        plan = replace(plan, problem=next(division.blocks(inner)).problem)
    counts = {kind: blocks * count for kind, count in _plan_counts(plan, training, lanes).items()}
    return {**counts, "copy": copies}


def _parts(count: int, size: int) -> int:
    return -(-count // size)


def _copied(before: Problem, after: Problem) -> int:
    """Samples copied by one rewriting: those of the input, if it changes, and of the weight."""
    weight = after.out_channels * after.in_channels // after.groups * after.axes[0].taps * after.axes[1].taps
    same = (before.in_channels, before.axes) == (after.in_channels, after.axes)
    return weight + (0 if same else before.batch * before.in_channels * before.axes[0].size * before.axes[1].size)


def _plan_counts(plan: TilePlan, training: bool, lanes: int) -> dict[str, float]:
    """The work of the passes: x, w and the inverse of y forward; gy, w, x and the inverses of gx, gw backward."""
    p, height, width = plan.problem, plan.height, plan.width
    groups = 1 if p.depthwise else p.groups
    inputs, outputs = (groups * _whole(count // groups, lanes) for count in (p.in_channels, p.out_channels))
    kernels = (1 if p.depthwise else p.out_channels // groups) * inputs
    passes_in, passes_out, passes_kernel = (3, 2, 3) if training else (1, 1, 1)
    transforms = passes_in * plan.rows * inputs * transform_macs(height.input, width.input)
    transforms += passes_out * plan.rows * outputs * transform_macs(height.output, width.output)
    transforms += passes_kernel * kernels * transform_macs(height.kernel, width.kernel)
    images = passes_in * p.in_channels * height.axis.size * width.axis.size
    images += passes_out * p.out_channels * height.axis.outputs * width.axis.outputs
    wide = outputs / p.out_channels + (2 * inputs / p.in_channels if training else 0)  # channels rounded up to blocks
    return {
        "call": 1,
        "sample": p.batch * images,
        "weight": p.out_channels * p.in_channels // p.groups * height.axis.taps * width.axis.taps,
        "spectrum": 8 * plan.frequencies * plan.rows * (passes_in * inputs + passes_out * outputs),
        "kernel": 8 * plan.frequencies * passes_kernel * kernels,
        "transform": transforms,
        "product": 0 if p.depthwise else wide * product_macs(plan),
    }


def total(counts: Counts, rates: Mapping[str, float]) -> float:
    """The seconds of counted work, at rates in seconds for a unit of each kind; a kind without a rate is free."""
    return sum(count * rates.get(kind, 0.0) for kind, count in counts.items())
