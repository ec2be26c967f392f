"""The plan of a convolution in the frequency domain: tile sizes, and the positions of samples on the tiles.

With tiles of S samples, a tile's outputs are

    y = A [ (G w) . (B x) ]        B: samples -> spectrum,  G: kernel -> spectrum,  A: spectrum -> kept outputs

exactly, as long as what wraps around (the discrete Fourier transform is periodic in S) multiplies zeros or reaches
only outputs that are dropped. Several tiles overlap by the kernel's reach less one: overlap-save forward, overlap-add
for the input's gradient (Oppenheim & Schafer, "Discrete-Time Signal Processing", section 8.7). Stride and dilation are
only positions: outputs every `stride` samples, taps every `dilation`. Input, kernel and output are each centred, so
that samples come in pairs at +d and -d; their sums multiply cosines, their differences sines, which halves the work of
either axis twice (Rabiner & Gold, "Theory and Application of Digital Signal Processing", 1975, sections 2.24 on
circular convolution and 6.2 on symmetries). Both implementations follow one `TilePlan`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

import numpy as np

from windowconv.fftconv.problem import Axis, Problem

MAX_PERIOD = 96  # larger tiles save little and do not fit the cache
BYTE_COST = 5.0  # the time to move one byte of a spectrum, in multiply-adds
TRANSFORM_COST = 1.5  # the time of a transform's multiply-add, in those of a product


@dataclass(frozen=True)
class TensorTiles:
    """The samples of one tensor on the tiles of one axis; all lengths are in samples.

    Tile t holds the samples `first + t * advance ... + length - 1` of a tensor of `size` samples (zero outside).
    Sample j of a tile has the position (j - centre2 / 2) * spacing, modulo `period`.
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
        """Whether the centre is between two samples."""
        return self.centre2 % 2 == 1

    @cached_property
    def pairs(self) -> int:
        """Pairs of samples at +d and -d that cover a tile; a sample at the centre is pair 0."""
        above = self.length - 1 - (self.centre2 + 1) // 2
        below = (self.centre2 - (1 if self.odd else 0)) // 2
        return max(above, below) + 1

    def positions(self) -> np.ndarray:
        """Each sample's position (j - centre2 / 2) * spacing, (length,) in float64."""
        return (np.arange(self.length) - self.centre2 / 2) * self.spacing

    def distances(self) -> np.ndarray:
        """Each pair's distance from the centre, times the spacing, (pairs,) in float64."""
        return (np.arange(self.pairs) + (0.5 if self.odd else 0.0)) * self.spacing


@dataclass(frozen=True)
class AxisTilePlan:
    """The tiles of one axis: their number, their period S and the outputs of each."""

    axis: Axis
    period: int
    tiles: int
    outputs: int
    input: TensorTiles
    kernel: TensorTiles
    output: TensorTiles


@dataclass(frozen=True)
class TilePlan:
    """The tiles of a problem on both axes."""

    problem: Problem
    height: AxisTilePlan
    width: AxisTilePlan

    @property
    def tiles(self) -> int:
        """Tiles of one image."""
        return self.height.tiles * self.width.tiles

    @property
    def rows(self) -> int:
        """Tiles of the whole batch."""
        return self.problem.batch * self.tiles

    @cached_property
    def frequencies(self) -> int:
        """The complex frequencies that are kept; the tensors are real, so the others are their conjugates."""
        return count_frequencies(self.height.period, self.width.period)

    def __str__(self) -> str:
        h, w = self.height, self.width
        return f"{h.tiles}x{w.tiles} tiles of {h.period}x{w.period} ({h.outputs}x{w.outputs} outputs)"


def count_frequencies(height: int, width: int) -> int:
    """The frequencies kept for height x width real samples: columns 0 ... width/2, half of each self-conjugate one."""
    mirrored = 2 if width % 2 == 0 else 1
    return mirrored * (height // 2 + 1) + (width // 2 + 1 - mirrored) * height


def axis_plan(axis: Axis, tiles: int) -> AxisTilePlan:
    """The plan of an axis cut into at most `tiles` tiles; a single tile holds the whole axis."""
    taps = axis.touching or range(1)  # if all taps multiply padding only, any one will do
    before = axis.before - axis.dilation * taps.start
    reach = axis.dilation * (len(taps) - 1) + 1
    outputs = -(-axis.outputs // tiles)
    tiles = -(-axis.outputs // outputs)
    span = axis.stride * (outputs - 1) + reach  # the input samples of a tile's outputs, padding included
    if tiles == 1:
        first, length = 0, max(1, min(axis.size, span - before))
        shift = before
        # what wraps around must not reach the input
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
    """The plan with the least `training_cost`, which is the same on every machine."""
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
    """Multiply-adds of one tile's transform, forward or inverse."""
    columns, rows = width.period // 2 + 1, height.period // 2 + 1
    return 4 * height.pairs * columns * (width.pairs + rows)


def product_macs(plan: TilePlan) -> int:
    """Real multiply-adds of one of a training step's three products; a complex one takes three (Karatsuba, Gauss)."""
    p = plan.problem
    if p.depthwise:
        return 4 * plan.frequencies * plan.rows * p.in_channels
    return 3 * plan.frequencies * plan.rows * p.in_channels * p.out_channels // p.groups


def training_cost(plan: TilePlan) -> float:
    """The time of a training step in multiply-adds, for comparing plans only."""
    p, h, w = plan.problem, plan.height, plan.width
    rows_in, rows_out = plan.rows * p.in_channels, plan.rows * p.out_channels
    kernels = p.in_channels * p.out_channels // p.groups
    transforms = 3 * rows_in * transform_macs(h.input, w.input)
    transforms += 2 * rows_out * transform_macs(h.output, w.output)
    transforms += 3 * kernels * transform_macs(h.kernel, w.kernel)
    moved = 8 * plan.frequencies * (6 * rows_in + 5 * rows_out + 6 * kernels)
    return 3 * product_macs(plan) + TRANSFORM_COST * transforms + BYTE_COST * moved
