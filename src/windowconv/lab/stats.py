"""Statistics over seeds: the seed is the unit, and arms of one seed are paired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from windowconv.errors import InputError


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation over n seeds; `sd` is None for one seed."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class PairedDifference:
    """The mean difference over paired seeds, with its 95 % t interval; None for one seed."""

    mean: float
    low: float | None
    high: float | None
    n: int


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation (n - 1 in the denominator) of one figure a seed.

    >>> spread([1.0, 2.0, 3.0])
    Spread(mean=2.0, sd=1.0, n=3)
    """
    array = _finite(values, "values")
    return Spread(float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else None, len(array))


def paired_difference(values: Sequence[float], baseline: Sequence[float], level: float = 0.95) -> PairedDifference:
    """The paired t interval of `values - baseline`: mean +- t(n - 1) sd / sqrt(n).

    Not for unpaired figures, nor for images in the place of seeds: that ignores the variance of training.

    Args:
        values, baseline: one figure a seed, in the same order.
        level: the interval's confidence.

    Raises:
        InputError: lengths that differ, no values, NaN.

    Source: Student's paired t, e.g. Casella & Berger, "Statistical Inference", section 8.3.
    """
    a, b = _finite(values, "values"), _finite(baseline, "baseline")
    if len(a) != len(b):
        raise InputError(f"values has {len(a)} seeds, baseline {len(b)}; pairs need the same")
    difference = a - b
    n, mean = len(difference), float(difference.mean())
    if n == 1:
        return PairedDifference(mean, None, None, 1)
    from scipy.stats import t  # slow to import

    half = float(t.ppf(0.5 + level / 2, n - 1)) * float(difference.std(ddof=1)) / math.sqrt(n)
    return PairedDifference(mean, mean - half, mean + half, n)


def _finite(values: Sequence[float], name: str) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0 or not np.isfinite(array).all():
        raise InputError(f"{name}={list(values)!r}; allowed: one finite number a seed")
    return array
