"""One table of two-dimensional convolutions, tensors for them, and their values by torch's own in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from windowconv.fftconv.problem import Axis, Problem

LAST, CONTIGUOUS = torch.channels_last, torch.contiguous_format


def problem(
    sides: tuple[int, int],
    taps: tuple[int, int],
    batch: int = 2,
    channels: tuple[int, int] = (3, 4),
    groups: int = 1,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> Problem:
    """`padding` is above, below, left, right."""
    pairs = padding[:2], padding[2:]
    axes = [Axis(n, k, s, d, *p) for n, k, s, d, p in zip(sides, taps, stride, dilation, pairs, strict=True)]
    return Problem(batch, *channels, groups, (axes[0], axes[1]))


PROBLEMS = {
    "same-7x7": problem((9, 10), (7, 7), padding=(3, 3, 3, 3)),
    "same-7x7-even-period": problem((11, 9), (7, 7), padding=(3, 3, 3, 3)),
    "valid-5x5": problem((9, 8), (5, 5)),
    "full-3x5": problem((6, 7), (3, 5), padding=(2, 2, 4, 4)),
    "even-4x6": problem((9, 10), (4, 6), padding=(1, 2, 3, 2)),
    "one-sided": problem((9, 8), (5, 5), padding=(4, 0, 0, 4)),
    "one-pixel": problem((1, 1), (7, 7), padding=(3, 3, 3, 3)),
    "one-tap": problem((6, 7), (1, 1)),
    "row": problem((1, 17), (1, 7), padding=(0, 0, 3, 3)),
    "column": problem((17, 1), (7, 1), padding=(3, 3, 0, 0)),
    "kernel-above-image": problem((3, 4), (9, 11), padding=(4, 4, 5, 5)),
    "padding-above-kernel": problem((4, 5), (3, 3), padding=(5, 4, 6, 0)),
    "only-padding-seen": problem((2, 3), (1, 1), stride=(5, 1), padding=(1, 2, 0, 0)),
    "stride-2": problem((11, 10), (7, 7), stride=(2, 2), padding=(3, 3, 3, 3)),
    "stride-2-3": problem((12, 14), (5, 4), stride=(2, 3), padding=(2, 1, 0, 3)),
    "stride-above-kernel": problem((13, 12), (2, 3), stride=(4, 5)),
    "patches": problem((12, 8), (4, 4), stride=(4, 4)),
    "dilated": problem((13, 12), (5, 3), dilation=(2, 3), padding=(4, 4, 3, 3)),
    "dilated-stride": problem((13, 12), (3, 3), stride=(2, 1), dilation=(2, 3), padding=(2, 2, 3, 3)),
    "groups": problem((8, 9), (5, 5), channels=(6, 4), groups=2, padding=(2, 2, 2, 2)),
    "groups-of-16": problem((6, 5), (3, 3), channels=(32, 6), groups=2, padding=(1, 1, 1, 1)),
    "groups-stride": problem((8, 9), (5, 5), channels=(12, 8), groups=4, stride=(2, 2), padding=(2, 2, 2, 2)),
    "depthwise": problem((8, 9), (7, 7), channels=(5, 5), groups=5, padding=(3, 3, 3, 3)),
    "depthwise-stride": problem((9, 9), (7, 7), channels=(5, 5), groups=5, stride=(2, 2), padding=(3, 3, 3, 3)),
    "depthwise-double": problem((8, 9), (5, 5), channels=(3, 6), groups=3, padding=(2, 2, 2, 2)),
    "one-channel": problem((8, 9), (5, 5), channels=(1, 1), padding=(2, 2, 2, 2)),
    "one-to-many": problem((8, 9), (5, 5), channels=(1, 4), padding=(2, 2, 2, 2)),
    "one-image": problem((8, 9), (5, 5), batch=1, padding=(2, 2, 2, 2)),
    "several-tiles": problem((40, 23), (7, 5), batch=1, channels=(2, 2), padding=(3, 3, 2, 2)),
    "no-image": problem((8, 9), (5, 5), batch=0, padding=(2, 2, 2, 2)),
}  # fmt: skip
IDS = list(PROBLEMS)


@dataclass(frozen=True)
class Tensors:
    """What a convolution and its gradients take."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None
    window: Tensor | None
    grad_output: Tensor

    def to(self, dtype: torch.dtype) -> Tensors:
        """In another precision, the window's unchanged."""
        changed = {name: getattr(self, name) for name in ("input", "weight", "bias", "grad_output")}
        return replace(self, **{name: None if t is None else t.to(dtype) for name, t in changed.items()})

    def values(self, forward: Any, backward: Any, plan: Any) -> tuple[Any, Any, Any]:
        """Output, gradient of the input and of the weight by two functions of a plan or a problem."""
        with torch.no_grad():
            output, spectrum = forward(plan, self.input, self.weight, self.bias, self.window)
            operands = self.grad_output, self.input, self.weight, self.window, spectrum
            return output, *backward(plan, *operands, (True, True))


def tensors(
    problem: Problem,
    dtype: torch.dtype = torch.float64,
    formats: tuple[torch.memory_format, torch.memory_format] = (CONTIGUOUS, CONTIGUOUS),
    window: bool = True,
) -> Tensors:
    """Normally distributed ones, the same every time."""
    generator = torch.Generator().manual_seed(0)
    height, width = problem.axes

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    channels = problem.in_channels // problem.groups
    return Tensors(
        normal(problem.batch, problem.in_channels, height.size, width.size).contiguous(memory_format=formats[0]),
        normal(problem.out_channels, channels, height.taps, width.taps).contiguous(memory_format=formats[1]),
        normal(problem.out_channels),
        torch.rand(height.taps, width.taps, generator=generator, dtype=torch.float64) + 0.1 if window else None,
        normal(problem.batch, problem.out_channels, height.outputs, width.outputs).contiguous(memory_format=formats[0]),
    )


def truth(problem: Problem, given: Tensors) -> tuple[Tensor, Tensor, Tensor]:
    """Output, gradient of the input and of the weight, by `F.conv2d` in float64."""
    wide = given.to(torch.float64)
    x, w = wide.input.clone().requires_grad_(), wide.weight.clone().requires_grad_()
    height, width = problem.axes
    padded = F.pad(x, (width.before, width.after, height.before, height.after))
    output = F.conv2d(
        padded,
        w if wide.window is None else w * wide.window,
        wide.bias,
        stride=(height.stride, width.stride),
        dilation=(height.dilation, width.dilation),
        groups=problem.groups,
    )
    for_input, for_weight = torch.autograd.grad(output, (x, w), wide.grad_output)
    return output.detach(), for_input, for_weight


@st.composite
def axes(draw: Any, most: int = 20, dilations: int = 3) -> Axis:
    """Any axis that has an output."""
    axis = Axis(
        size=draw(st.integers(1, most)),
        taps=draw(st.integers(1, 9)),
        stride=draw(st.integers(1, 4)),
        dilation=draw(st.integers(1, dilations)),
        before=draw(st.integers(0, 9)),
        after=draw(st.integers(0, 9)),
    )
    short = max(0, axis.reach - axis.size - axis.before - axis.after)
    return replace(axis, after=axis.after + short)


@st.composite
def problems(draw: Any, dilations: int = 3) -> Problem:
    """Any small problem; one in three has a channel in each group."""
    groups = draw(st.sampled_from([1, 1, 2, 3, 4]))
    ins, outs = draw(st.sampled_from([(1, 1), (1, 2), (2, 3), (3, 1)]))
    return Problem(
        draw(st.integers(1, 3)),
        groups * ins,
        groups * outs,
        groups,
        (draw(axes(14, dilations)), draw(axes(14, dilations))),
    )
