"""How a convolution goes through the frequency domain: tile sizes and the places of samples on them.

With tiles of S samples, a tile's outputs are

    y = A [ (G w) . (B x) ]        B: samples -> spectrum,  G: kernel -> spectrum,  A: spectrum -> kept outputs

exactly, as long as what wraps around (the discrete Fourier transform is periodic in S) meets zeros or outputs that
are dropped. Stride and dilation are only places: outputs every `stride` samples, taps every `dilation`. Input, kernel
and output are each placed around a centre, so that samples come in pairs at +d and -d: their sum meets cosines, their
difference sines, which halves the work of either axis twice (Rabiner & Gold, "Theory and Application of Digital
Signal Processing", 1975, sections 2.24 on circular convolution and 6.2 on symmetries). Both implementations (the
PyTorch reference and the native operator) follow one `TilePlan`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

import numpy as np

from windowconv.fftconv.problem import Axis, Problem

MAX_PERIOD = 96  # larger tiles than this save little and leave the cache
BYTE_COST = 5.0  # multiply-adds that take as long as moving one byte of a spectrum
TRANSFORM_COST = 1.5  # what a transform's multiply-add takes, against one of the products'


@dataclass(frozen=True)
class TensorTiles:
    """Where one tensor's samples lie on an axis' tiles.

    Tile t has the samples `first + t * advance ... + length - 1` of a tensor with `size` of them (outside is zero).
    Sample j of a tile stands at (j - centre2 / 2) * spacing on the tile's circle of `period`.
    """

    size: int
    tiles: int
    first: int
    advance: int
    length: int
    centre2: int
    spacing: int
    period: int

    @property
    def odd(self) -> bool:
        """Whether the centre lies between two samples."""
        return self.centre2 % 2 == 1

    @cached_property
    def pairs(self) -> int:
        """Pairs of samples at +d and -d that cover a tile; where the centre is a sample, it is pair 0."""
        above = self.length - 1 - (self.centre2 + 1) // 2
        below = (self.centre2 - (1 if self.odd else 0)) // 2
        return max(above, below) + 1

    def places(self) -> np.ndarray:
        """Each sample's place (j - centre2 / 2) * spacing, in float64."""
        return (np.arange(self.length) - self.centre2 / 2) * self.spacing

    def distances(self) -> np.ndarray:
        """Each pair's distance from the centre, times the spacing."""
        return (np.arange(self.pairs) + (0.5 if self.odd else 0.0)) * self.spacing


@dataclass(frozen=True)
class AxisTilePlan:
    """One axis' tiles."""

    axis: Axis
    period: int
    tiles: int
    outputs: int  # a tile's
    input: TensorTiles
    kernel: TensorTiles
    output: TensorTiles


@dataclass(frozen=True)
class TilePlan:
    """A convolution's tiles on both axes."""

    problem: Problem
    height: AxisTilePlan
    width: AxisTilePlan

    @property
    def tiles(self) -> int:
        """Tiles an image."""
        return self.height.tiles * self.width.tiles

    @property
    def rows(self) -> int:
        """Tiles of the whole batch."""
        return self.problem.batch * self.tiles

    @cached_property
    def frequencies(self) -> int:
        """Complex frequencies that are kept: the others follow, since the tensors are real."""
        return count_frequencies(self.height.period, self.width.period)

    def __str__(self) -> str:
        h, w = self.height, self.width
        return f"{h.tiles}x{w.tiles} tiles of {h.period}x{w.period} ({h.outputs}x{w.outputs} outputs)"


def count_frequencies(height: int, width: int) -> int:
    """Of height x width real samples: columns 0 ... width/2, of which those that mirror themselves keep half."""
    mirrored = 2 if width % 2 == 0 else 1
    return mirrored * (height // 2 + 1) + (width // 2 + 1 - mirrored) * height


def axis_plan(axis: Axis, tiles: int) -> AxisTilePlan:
    """The plan of an axis cut into at most `tiles` tiles; one tile takes in the whole axis."""
    taps = axis.touching or range(1)  # of a kernel that meets padding only, any one tap will do
    before = axis.before - axis.dilation * taps.start
    reach = axis.dilation * (len(taps) - 1) + 1
    outputs = -(-axis.outputs // tiles)
    tiles = -(-axis.outputs // outputs)
    span = axis.stride * (outputs - 1) + reach  # the input samples that a tile's outputs see, padding included
    if tiles == 1:
        first, length = 0, max(1, min(axis.size, span - before))
        shift = before
        # what wraps around must not land on the input
        period = max(length, length + before, span - before if span - before > length else 0)
    else:
        first, length, shift, period = -before, span, 0, span
    centre2 = axis.stride * (outputs - 1) + axis.dilation * (len(taps) - 1) - 2 * shift
    inputs = TensorTiles(axis.size, tiles, first, outputs * axis.stride, length, centre2, 1, period)
    kernel = TensorTiles(axis.taps, 1, taps.start, 0, len(taps), len(taps) - 1, axis.dilation, period)
    output = TensorTiles(axis.outputs, tiles, 0, outputs, outputs, outputs - 1, axis.stride, period)
    return AxisTilePlan(axis, period, tiles, outputs, inputs, kernel, output)


@lru_cache(maxsize=4096)
def make_plan(problem: Problem) -> TilePlan:
    """The plan that is expected to train fastest, the same on every machine."""
    candidates = [_candidates(axis) for axis in problem.axes]
    plans = [TilePlan(problem, h, w) for h, w in product(*candidates)]
    return min(plans, key=training_cost)


def _candidates(axis: Axis) -> list[AxisTilePlan]:
    plans = {}
    tiles = 1
    while tiles <= axis.outputs:
        plan = axis_plan(axis, tiles)
        plans.setdefault(plan.tiles, plan)
        if plan.outputs <= 8 or len(plans) >= 24:
            break
        tiles = max(plan.tiles + 1, tiles * 9 // 8)
    small = [plan for plan in plans.values() if plan.period <= MAX_PERIOD]
    return small or [min(plans.values(), key=lambda plan: plan.period)]


def transform_macs(height: TensorTiles, width: TensorTiles) -> int:
    """Multiply-adds of one tile's transform, either way."""
    columns, rows = width.period // 2 + 1, height.period // 2 + 1
    return 4 * height.pairs * columns * (width.pairs + rows)


def product_macs(plan: TilePlan) -> int:
    """Multiply-adds of one of a training step's three products: three real ones for a complex one."""
    p = plan.problem
    if p.depthwise:
        return 4 * plan.frequencies * plan.rows * p.in_channels
    return 3 * plan.frequencies * plan.rows * p.in_channels * p.out_channels // p.groups


def training_cost(plan: TilePlan) -> float:
    """A training step's time in multiply-adds; only good for comparing plans."""
    p, h, w = plan.problem, plan.height, plan.width
    rows_in, rows_out = plan.rows * p.in_channels, plan.rows * p.out_channels
    kernels = p.in_channels * p.out_channels // p.groups
    transforms = 3 * rows_in * transform_macs(h.input, w.input)
    transforms += 2 * rows_out * transform_macs(h.output, w.output)
    transforms += 3 * kernels * transform_macs(h.kernel, w.kernel)
    moved = 8 * plan.frequencies * (6 * rows_in + 5 * rows_out + 6 * kernels)
    return 3 * product_macs(plan) + TRANSFORM_COST * transforms + BYTE_COST * moved
