"""Which algorithm is the faster one."""

from __future__ import annotations

from typing import Literal

import torch

from windowconv.fftconv.problem import Problem


def choose(problem: Problem, dtype: torch.dtype, device: torch.device, training: bool) -> Literal["fft", "direct"]:
    """The algorithm that is expected to be faster.

    Args:
        problem: the convolution; a 1-D one has one row, a 3-D one its depth's taps among the channels.
        dtype, device: the input's.
        training: whether a backward pass follows.
    """
    if not ever_faster(problem.axes[0].taps * problem.axes[1].taps, dtype, device):
        return "direct"
    large = all(len(axis.touching) >= 5 for axis in problem.axes)
    return "fft" if large and problem.in_channels // problem.groups >= 64 else "direct"


def ever_faster(taps: int, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether "fft" may be chosen at some size: what a compiler can know before it knows the sizes."""
    return taps > 1 and device.type == "cpu" and dtype in (torch.float32, torch.bfloat16)
