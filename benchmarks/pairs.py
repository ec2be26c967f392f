"""Interleaved timing: variants in turn, so that a drift of the machine's speed hits all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom


@dataclass(frozen=True)
class Ratio:
    """The median of the pairs' ratios, time of the variant over time of the baseline.

    `low` and `high` bound the median with at least 95 % confidence, whatever the distribution: the order statistics
    of rank k and n + 1 - k, with k the largest for which P(Binomial(n, 1/2) < k) <= 0.025 (Conover, "Practical
    Nonparametric Statistics", section 3.2). Fewer than 6 pairs do not reach 95 %: there they are the extremes.
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

    def verdict_at_least(self, bar: float) -> str:
        """Whether the ratio is at least `bar`."""
        return "met" if self.low >= bar else "missed" if self.high < bar else "undecided"


def interleaved(variant: Callable[[], object], baseline: Callable[[], object], pairs: int, warmup: int = 1) -> Ratio:
    """Time two functions in turn, each pair in the other order than the one before."""
    for _ in range(warmup):
        variant()
        baseline()
    times = rounds({"variant": variant, "baseline": baseline}, pairs)
    return ratio(times["variant"], times["baseline"])


def rounds(
    functions: Mapping[str, Callable[[], object]], count: int, settle: Collection[str] = ()
) -> dict[str, list[float]]:
    """Seconds of each function, `count` times in turn, each round in the other order than the one before.

    Those of `settle` are called once more before each timed call: for variants that come after one which leaves the
    process's memory and the caches in disorder.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    for i in range(count):
        for name in functions if i % 2 == 0 else reversed(list(functions)):
            if name in settle:
                functions[name]()
            times[name].append(seconds(functions[name]))
    return times


def seconds(function: Callable[[], object]) -> float:
    """The time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def ratio(variant: Sequence[float], baseline: Sequence[float]) -> Ratio:
    """The ratio of two functions' times that were measured in the same rounds."""
    pairs = len(variant)
    ratios = np.sort(np.asarray(variant) / np.asarray(baseline))
    rank = int(binom.ppf(0.025, pairs, 0.5))  # 0-based rank of the lower bound
    if binom.cdf(rank - 1, pairs, 0.5) > 0.025:
        rank -= 1
    return Ratio(
        float(np.median(ratios)),
        float(ratios[max(rank - 1, 0)]),
        float(ratios[min(pairs - rank, pairs - 1)]),
        pairs,
        float(np.median(variant)),
        float(np.median(baseline)),
    )
