"""Interleaved pairs: two variants timed in turn, so that a drift of the machine's speed hits both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom


@dataclass(frozen=True)
class Ratio:
    """The median of the pairs' ratios, time of the variant over time of the baseline.

    `low` and `high` bound the median with at least 95 % confidence, whatever the distribution: the order statistics
    of rank k and n + 1 - k, with k the largest for which P(Binomial(n, 1/2) < k) <= 0.025 (Conover, "Practical
    Nonparametric Statistics", section 3.2).
    """

    median: float
    low: float
    high: float
    pairs: int
    variant_s: float
    baseline_s: float

    def verdict(self, bar: float) -> str:
        """Whether the ratio is at most `bar`: met, missed, or undecided where the interval holds it."""
        return "met" if self.high <= bar else "missed" if self.low > bar else "undecided"


def interleaved(variant: Callable[[], object], baseline: Callable[[], object], pairs: int, warmup: int = 1) -> Ratio:
    """Time two functions in turn, each pair in the other order than the one before."""
    for _ in range(warmup):
        variant()
        baseline()
    times = np.empty((pairs, 2))
    for i in range(pairs):
        for which in (0, 1) if i % 2 == 0 else (1, 0):
            start = time.perf_counter()
            (variant if which == 0 else baseline)()
            times[i, which] = time.perf_counter() - start
    ratios = np.sort(times[:, 0] / times[:, 1])
    rank = int(binom.ppf(0.025, pairs, 0.5))  # 0-based rank of the lower bound
    if binom.cdf(rank - 1, pairs, 0.5) > 0.025:
        rank -= 1
    medians = np.median(times, axis=0)
    return Ratio(
        float(np.median(ratios)),
        float(ratios[max(rank - 1, 0)]),
        float(ratios[min(pairs - rank, pairs - 1)]),
        pairs,
        float(medians[0]),
        float(medians[1]),
    )
