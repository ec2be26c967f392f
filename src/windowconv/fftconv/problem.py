"""The sizes of one two-dimensional convolution as plain integers: what is planned, cached and priced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache


@dataclass(frozen=True)
class Axis:
    """One spatial axis: `output[i] = sum_t input[stride i + dilation t - before] kernel[t]`, zero outside the input.

    All in samples: `size` is the input's length, `taps` the kernel's; `before` and `after` are the zeros of padding.
    """

    size: int
    taps: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    @property
    def reach(self) -> int:
        """Input samples from an output's first tap to its last, those between dilated taps included."""
        return self.dilation * (self.taps - 1) + 1

    @property
    def outputs(self) -> int:
        """Output samples, as torch counts them; below 1 where the kernel does not fit."""
        return (self.size + self.before + self.after - self.reach) // self.stride + 1

    @cached_property
    def touching(self) -> range:
        """The taps that multiply an input sample for some output; the others only ever multiply padding."""
        used = []
        for t in range(self.taps):
            position = self.dilation * t - self.before  # for output 0; for output i it is i * stride further
            first = max(0, -(position // self.stride))  # the first output for which the tap is past the front padding
            if first < self.outputs and position + first * self.stride < self.size:
                used.append(t)
        return range(used[0], used[-1] + 1) if used else range(0)


@dataclass(frozen=True)
class Problem:
    """A convolution of (batch, in_channels, H, W) with (out_channels, in_channels / groups, kh, kw).

    `axes` are the height and the width; channels are counted over all groups.
    """

    batch: int
    in_channels: int
    out_channels: int
    groups: int
    axes: tuple[Axis, Axis]

    @property
    def depthwise(self) -> bool:
        """Each output channel has one input channel of its own."""
        return self.groups == self.in_channels == self.out_channels and self.groups > 1

    @property
    def outputs(self) -> tuple[int, int, int, int]:
        """The output's shape, (N, K, H, W)."""
        height, width = self.axes
        return self.batch, self.out_channels, height.outputs, width.outputs

    @property
    def empty(self) -> bool:
        """No output depends on the input: there is no image, or every tap multiplies padding only."""
        return self.batch == 0 or not all(axis.touching for axis in self.axes)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the direct method's forward pass, those with padding counted."""
        total = self.batch * self.out_channels * (self.in_channels // self.groups)
        for axis in self.axes:
            total *= axis.outputs * axis.taps
        return total


def make_problem(
    input: Sequence[int],
    weight: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Problem:
    """The problem of a call.

    Args:
        input, weight: the shapes (N, C, H, W) and (K, C / groups, kh, kw).
        stride, dilation: samples along (height, width).
        padding: zeros (above, below, left, right).
    """
    axes = (
        Axis(input[2], weight[2], stride[0], dilation[0], padding[0], padding[1]),
        Axis(input[3], weight[3], stride[1], dilation[1], padding[2], padding[3]),
    )
    return Problem(input[0], input[1], weight[0], groups, axes)


@lru_cache(maxsize=4096)
def cached_problem(
    input: tuple[int, ...],
    weight: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Problem:
    """`make_problem`, built once for the choice, the forward and the backward pass; not for a tracer's symbolic sizes.

    What is cached by problem is found without comparing it: it is the same object.
    """
    return make_problem(input, weight, stride, padding, dilation, groups)
