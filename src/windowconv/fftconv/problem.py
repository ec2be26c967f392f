"""One convolution's shape, as plain integers: what is planned, looked up and counted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Axis:
    """One spatial axis: `output[i] = sum_t input[stride i + dilation t - before] kernel[t]`, zero outside the input.

    `size` and `taps` are the input's and the kernel's lengths in samples; `before` and `after` the zeros around.
    """

    size: int
    taps: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    @property
    def reach(self) -> int:
        """Input samples that one output sees, holes included."""
        return self.dilation * (self.taps - 1) + 1

    @property
    def outputs(self) -> int:
        """Output samples, as torch counts them; below 1 where the kernel does not fit."""
        return (self.size + self.before + self.after - self.reach) // self.stride + 1

    @cached_property
    def touching(self) -> range:
        """The taps that meet the input at some output; the others only ever see padding."""
        used = []
        for t in range(self.taps):
            place = self.dilation * t - self.before  # of output 0; output i is i * stride further
            first = max(0, -(place // self.stride))  # the first output that does not see the zeros before the input
            if first < self.outputs and place + first * self.stride < self.size:
                used.append(t)
        return range(used[0], used[-1] + 1) if used else range(0)


@dataclass(frozen=True)
class Problem:
    """A convolution: `batch` images, channels in and out (all groups together) and its axes (height, width)."""

    batch: int
    in_channels: int
    out_channels: int
    groups: int
    axes: tuple[Axis, Axis]

    @property
    def depthwise(self) -> bool:
        """Each output channel sees one input channel of its own."""
        return self.groups == self.in_channels == self.out_channels and self.groups > 1

    @property
    def multiply_adds(self) -> int:
        """Those of the direct method, padding counted, forward only."""
        total = self.batch * self.out_channels * (self.in_channels // self.groups)
        for axis in self.axes:
            total *= axis.outputs * axis.taps
        return total
