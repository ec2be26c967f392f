"""Statistics over seeds: the seed is the unit, and arms of one seed are paired.

A test over images has no place here: it ignores that another seed gives another network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from windowconv.errors import InputError

BOOTSTRAP_SEEDS = 20
RESAMPLES = 9_999
EXACT_SEEDS = 20
"""Up to so many, all 2^n signs are tried."""


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


@dataclass(frozen=True)
class SignFlip:
    """A two-sided sign-flip test: its p-value, the smallest one that so many seeds can give, and whether all signs were
    tried."""

    p: float
    floor: float
    exact: bool


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
    difference = _differences(values, baseline)
    n, mean = len(difference), float(difference.mean())
    if n == 1:
        return PairedDifference(mean, None, None, 1)
    half = student_t(n - 1, level) * float(difference.std(ddof=1)) / math.sqrt(n)
    return PairedDifference(mean, mean - half, mean + half, n)


def student_t(degrees: float, level: float = 0.95) -> float:
    """Student's t that a two-sided interval of this confidence takes."""
    from scipy.special import stdtrit  # scipy.stats is slow to import

    return float(stdtrit(degrees, 0.5 + level / 2))


def bootstrap_difference(
    values: Sequence[float], baseline: Sequence[float], level: float = 0.95, seed: int = 0
) -> PairedDifference:
    """The bias-corrected and accelerated (BCa) bootstrap interval of the mean of `values - baseline`.

    Not for fewer than 20 seeds: resampling a handful of values covers too little; take the t interval there.

    Args:
        values, baseline: one figure a seed, in the same order.
        level: the interval's confidence.
        seed: of the resampling.

    Raises:
        InputError: as `paired_difference`, or fewer than 20 seeds.

    Source: Efron, "Better bootstrap confidence intervals", 1987.
    """
    difference = _differences(values, baseline)
    n, mean = len(difference), float(difference.mean())
    if n < BOOTSTRAP_SEEDS:
        raise InputError(f"seeds={n}; a bootstrap needs {BOOTSTRAP_SEEDS} or more; allowed with fewer: the t interval")
    if np.ptp(difference) == 0:
        return PairedDifference(mean, mean, mean, n)
    from scipy.stats import bootstrap

    random = np.random.default_rng(seed)
    options = {"confidence_level": level, "n_resamples": RESAMPLES, "method": "BCa", "rng": random}
    interval = bootstrap((difference,), np.mean, **options).confidence_interval
    return PairedDifference(mean, float(interval.low), float(interval.high), n)


def sign_flip(values: Sequence[float], baseline: Sequence[float], seed: int = 0) -> SignFlip:
    """The two-sided sign-flip test of `values - baseline`: how many choices of the differences' signs have a mean as
    far from 0 as theirs.

    It assumes only that a difference is as likely to be positive as negative where there is no effect. With n seeds the
    p-value is 2 / 2^n at least: 0.0625 with 5, so that five seeds never reach 0.05, 0.0078 with 8. Above 20 seeds
    random signs are tried instead of all.

    Args:
        values, baseline: one figure a seed, in the same order.
        seed: of the random signs.

    Raises:
        InputError: as `paired_difference`.

    Source: Fisher, "The Design of Experiments", 1935, section 21.

    >>> sign_flip([1.0, 2.0, 3.0, 4.0, 5.0], [0.0] * 5)
    SignFlip(p=0.0625, floor=0.0625, exact=True)
    """
    difference = _differences(values, baseline)
    n = len(difference)
    exact = n <= EXACT_SEEDS
    sums = _signed_sums(difference) if exact else _random_sums(difference, seed)
    observed = abs(float(difference.sum()))
    as_far = np.abs(sums) >= observed - 1e-9 * float(np.abs(difference).sum())  # equal but for rounding counts
    if exact:
        return SignFlip(float(as_far.mean()), 2.0 ** (1 - n) if n > 1 else 1.0, True)
    return SignFlip((1 + int(as_far.sum())) / (1 + len(sums)), 1 / (1 + len(sums)), False)


def _signed_sums(difference: np.ndarray) -> np.ndarray:
    """The sums of all 2^n choices of signs, doubled one difference at a time."""
    sums = np.zeros(1)
    for value in difference:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _random_sums(difference: np.ndarray, seed: int, draws: int = 199_999) -> np.ndarray:
    random = np.random.default_rng(seed)
    parts = [random.choice((-1.0, 1.0), (size, len(difference))) for size in (draws // 2, draws - draws // 2)]
    return np.concatenate([signs @ difference for signs in parts])


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjusted p-values: comparing each with 0.05 keeps the chance of any false finding among them below that.

    Args:
        p_values: by comparison's name; adjusted in the order of their size, p(i) times (m - i), never falling.

    Raises:
        InputError: a p-value outside [0, 1].

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    for name, p in p_values.items():
        if not 0 <= p <= 1:
            raise InputError(f"p_values[{name!r}]={p}; allowed: 0 to 1")
    adjusted: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda key: p_values[key])):
        largest = max(largest, min(1.0, p_values[name] * (len(p_values) - rank)))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def _differences(values: Sequence[float], baseline: Sequence[float]) -> np.ndarray:
    a, b = _finite(values, "values"), _finite(baseline, "baseline")
    if len(a) != len(b):
        raise InputError(f"values has {len(a)} seeds, baseline {len(b)}; pairs need the same")
    return a - b


def _finite(values: Sequence[float], name: str) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0 or not np.isfinite(array).all():
        raise InputError(f"{name}={list(values)!r}; allowed: one finite number a seed")
    return array
