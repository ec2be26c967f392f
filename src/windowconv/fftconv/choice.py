"""The choice between "fft" and "direct": the one part to replace for another way of choosing.

At present a cost model chooses: counts of work (`cost`) at this machine's rates (`calibration`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch

from windowconv.fftconv import calibration
from windowconv.fftconv.probes import Convolution
from windowconv.fftconv.problem import Problem
from windowconv.fftconv.rates import Rates, has_rates, implementation_name, name_of
from windowconv.fftconv.workspace import workspace_limit

Choice = Literal["fft", "direct"]

_candidate: Convolution | None = None


def set_candidate(convolution: Convolution) -> None:
    """Hand over the convolution that competes with torch's own: it is what a machine is measured with.

    It lies above this module, which therefore cannot import it.
    """
    global _candidate
    _candidate = convolution


def choose(problem: Problem, dtype: torch.dtype, device: torch.device, training: bool) -> Choice:
    """The algorithm that is expected to be faster.

    Args:
        problem: the 2-D convolution; for one and three axes, what `lowering` makes of it.
        dtype, device: those that it is computed in.
        training: whether a backward pass follows.
    """
    one_tap = problem.axes[0].taps * problem.axes[1].taps == 1
    if one_tap or problem.batch == 0 or not ever_faster(dtype, device):
        return "direct"
    return estimate(problem, dtype, device, training).choice


def ever_faster(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether "fft" may be chosen for some sizes, which a compiler can ask before it knows them.

    There are rates for CPUs only: this is the one place to change for other devices.
    """
    dtype_name = name_of(dtype)
    if device.type != "cpu":
        return False
    return has_rates("direct", dtype_name) and has_rates(implementation_name(dtype), dtype_name)


@dataclass(frozen=True)
class Estimate:
    """The seconds that either algorithm is expected to take (infinite if it cannot be used), and the faster one."""

    fft_s: float
    direct_s: float
    choice: Choice


def estimate(problem: Problem, dtype: torch.dtype, device: torch.device, training: bool) -> Estimate:
    """The expected times of both algorithms, in the memory format that suits torch's own.

    The first call measures the machine, unless that is turned off or a file holds its rates. Arguments: as in `choose`.
    """
    if not ever_faster(dtype, device):
        return Estimate(math.inf, 0.0, "direct")
    return _estimate(problem, dtype, training, calibration.rates(_candidate), workspace_limit())


@lru_cache(maxsize=4096)
def _estimate(problem: Problem, dtype: torch.dtype, training: bool, rates: Rates, limit: int) -> Estimate:
    direct_s = rates.seconds(problem, dtype, "direct", training, limit)
    fft_s = rates.seconds(problem, dtype, implementation_name(dtype), training, limit)
    return Estimate(fft_s, direct_s, "fft" if fft_s < direct_s else "direct")
