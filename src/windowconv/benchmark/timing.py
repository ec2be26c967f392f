"""Calls timed in turn, so that a drift of the machine's speed hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from scipy.stats import binom

FEWEST = 3  # rounds, however long they take
MOST = 100
STEADY = 6  # rounds from which an interval has 95 %
CLOSE = 0.03  # of the time: a smaller difference is none

Seconds = dict[str, list[float]]
"""By name, the seconds of each round's call."""


@dataclass(frozen=True)
class Ratio:
    """One call's time over another's: the median over rounds.

    `low` and `high` bound it with at least 95 % confidence, whatever the distribution, from six rounds on; for fewer
    they are the extremes. They are order statistics: see Conover, "Practical Nonparametric Statistics", section 3.2.
    """

    median: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """ "faster", "slower", "the same", or "not clear" where the interval holds more than one of these."""
        if self.high < 1 - CLOSE:
            return "faster"
        if self.low > 1 + CLOSE:
            return "slower"
        return "the same" if self.low >= 1 - CLOSE and self.high <= 1 + CLOSE else "not clear"


def in_turn(calls: Mapping[str, Callable[[], object]], seconds: float, device: torch.device) -> Seconds:
    """Time calls in rounds, each in the other order than the one before, after one that is not counted.

    Args:
        calls: by name.
        seconds: when to stop; `FEWEST` rounds are run at least.
        device: whose work is waited for.
    """
    for call in calls.values():
        call()
    times: Seconds = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    for done in range(MOST):
        if done >= FEWEST and time.perf_counter() > end:
            break
        for name in calls if done % 2 == 0 else reversed(list(calls)):
            times[name].append(_seconds(calls[name], device))
    return times


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    wait(device)
    start = time.perf_counter()
    call()
    wait(device)
    return time.perf_counter() - start


def wait(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def fastest(times: Seconds, names: Sequence[str]) -> str:
    """The name with the smallest median."""
    return min(names, key=lambda name: median(times[name]))


def ratio(times: Seconds, name: str, baseline: str) -> Ratio:
    """The time of one call over another's.

    >>> times = {"ours": [1.0, 1.1, 0.9], "torch": [2.0, 2.0, 2.0]}
    >>> ratio(times, "ours", "torch"), ratio(times, "ours", "torch").verdict
    (Ratio(median=0.5, low=0.45, high=0.55), 'faster')
    """
    ratios = sorted(mine / its for mine, its in zip(times[name], times[baseline], strict=True))
    rank = int(binom.ppf(0.025, len(ratios), 0.5))  # of the lower bound, from 0
    if binom.cdf(rank - 1, len(ratios), 0.5) > 0.025:
        rank -= 1
    rank = max(rank - 1, 0)
    return Ratio(median(ratios), ratios[rank], ratios[-1 - rank])
