"""Spread over seeds, and paired differences with their intervals: the seed is the unit, arms of one seed are paired.

A test over images has no place here: it ignores that another seed gives another network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from windowconv.errors import InputError
from windowconv.lab.statistics.effects import paired, paired_effect, per_seed

BOOTSTRAP_SEEDS = 20
RESAMPLES = 9_999


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation over n seeds; `sd` is None for one seed."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class PairedDifference:
    """The mean difference over paired seeds and its interval from `low` to `high`; None for one seed."""

    mean: float
    low: float | None
    high: float | None
    n: int


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation (n - 1 in the denominator).

    Args:
        values: one a seed.

    Raises:
        InputError: no value, or one that is not a finite number.

    >>> spread([1.0, 2.0, 3.0])
    Spread(mean=2.0, sd=1.0, n=3)
    """
    found = paired_effect(per_seed(values, "values").tolist())
    return Spread(found.mean, found.sd, found.n)


def paired_difference(values: Sequence[float], baseline: Sequence[float], level: float = 0.95) -> PairedDifference:
    """The paired t interval of `values - baseline`: mean +- t(n - 1) sd / sqrt(n).

    Not for unpaired values, nor for images in the place of seeds: that ignores the variance of training.

    Args:
        values, baseline: one number a seed, in the same order.
        level: the interval's confidence, 0 to 1.

    Raises:
        InputError: lengths that differ, no value, or one that is not a finite number.

    Source: Student's paired t, e.g. Casella & Berger, "Statistical Inference", section 8.3.
    """
    effect = paired_effect(paired(values, baseline).tolist())
    low, high = effect.interval_at(level) or (None, None)
    return PairedDifference(effect.mean, low, high, effect.n)


def bootstrap_difference(
    values: Sequence[float], baseline: Sequence[float], level: float = 0.95, seed: int = 0
) -> PairedDifference:
    """The bias-corrected and accelerated (BCa) bootstrap interval of the mean of `values - baseline`.

    Not for fewer than 20 seeds: resampling a handful of values covers too little; take the t interval there.

    Args:
        values, baseline: one number a seed, in the same order.
        level: the interval's confidence, 0 to 1.
        seed: of the resampling.

    Raises:
        InputError: as `paired_difference`, or fewer than 20 seeds.

    Source: Efron, "Better bootstrap confidence intervals", 1987.
    """
    difference = paired(values, baseline)
    n, mean = len(difference), float(difference.mean())
    if n < BOOTSTRAP_SEEDS:
        raise InputError(f"seeds={n}; a bootstrap needs {BOOTSTRAP_SEEDS} or more; allowed with fewer: the t interval")
    if np.ptp(difference) == 0:
        return PairedDifference(mean, mean, mean, n)
    from scipy.stats import bootstrap  # slow to import

    random = np.random.default_rng(seed)
    options = {"confidence_level": level, "n_resamples": RESAMPLES, "method": "BCa", "rng": random}
    interval = bootstrap((difference,), np.mean, **options).confidence_interval
    return PairedDifference(mean, float(interval.low), float(interval.high), n)
