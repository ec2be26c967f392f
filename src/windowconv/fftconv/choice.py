"""Which algorithm is the faster one: counted work (`cost`) at this machine's rates (`calibration`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch

from windowconv.fftconv import calibration
from windowconv.fftconv.problem import Problem
from windowconv.fftconv.rates import Rates, known, name_of, way_of
from windowconv.fftconv.workspace import workspace_limit

DIRECT_FROM = 1.0  # "direct" where it is expected to take less than this times the other's time


@dataclass(frozen=True)
class Estimate:
    """The seconds that either algorithm is expected to take (infinite: it cannot be used), and which one to take."""

    fft_s: float
    direct_s: float
    choice: Literal["fft", "direct"]


def choose(problem: Problem, dtype: torch.dtype, device: torch.device, training: bool) -> Literal["fft", "direct"]:
    """The algorithm that is expected to be faster.

    Args:
        problem: the convolution; a 1-D one has one row, a 3-D one its depth's taps among the channels.
        dtype, device: the input's.
        training: whether a backward pass follows.
    """
    if not ever_faster(problem.axes[0].taps * problem.axes[1].taps, dtype, device):
        return "direct"
    if not _sizes_known(problem) or problem.batch == 0:
        return "direct"
    return estimate(problem, dtype, device, training).choice


def _sizes_known(problem: Problem) -> bool:
    """Whether no size is a tracer's symbol, which can neither be looked up nor compared."""
    sizes = (problem.batch, problem.in_channels, *(axis.size for axis in problem.axes))
    return not any(isinstance(size, torch.SymInt) for size in sizes)


def ever_faster(taps: int, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether "fft" may be chosen at some size: what a compiler can know before it knows the sizes."""
    return taps > 1 and _known(dtype, device)


def estimate(problem: Problem, dtype: torch.dtype, device: torch.device, training: bool) -> Estimate:
    """What either algorithm is expected to take here, in the layout that suits torch's own.

    Args: as in `choose`. The first call measures the machine, unless that is turned off or was done before.
    """
    if not _known(dtype, device):
        return Estimate(math.inf, 0.0, "direct")
    return _estimate(problem, dtype, training, calibration.rates(), workspace_limit())


def _known(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether there are rates; there are none yet but for CPUs: the one place to change for other devices."""
    return device.type == "cpu" and known("direct", name_of(dtype)) and known(way_of(dtype), name_of(dtype))


@lru_cache(maxsize=4096)
def _estimate(problem: Problem, dtype: torch.dtype, training: bool, rates: Rates, limit: int) -> Estimate:
    direct_s = rates.seconds(problem, dtype, "direct", training, limit)
    fft_s = rates.seconds(problem, dtype, way_of(dtype), training, limit)
    return Estimate(fft_s, direct_s, "fft" if fft_s * DIRECT_FROM < direct_s else "direct")
