"""An effect over seeds and its t interval: a paired difference, or an association within arms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from windowconv.errors import InputError


@dataclass(frozen=True)
class Effect:
    """A mean over seeds and its spread: enough for a t interval at any number of seeds.

    `scipy.stats.ttest_rel` gives the same interval at the seeds that are there, but warns where all differences are
    equal, and has none for the number of seeds that would settle a claim.

    Attributes:
        mean: in the study's unit; positive where it agrees with the claim.
        sd: standard deviation; the standard error is `sd / sqrt(n)`. None for one seed.
        n: number of seeds; the interval has n - 1 degrees of freedom.
    """

    mean: float
    sd: float | None
    n: int

    def half_width(self, n: int, level: float = 0.95) -> float:
        """Half the width of the interval with n seeds and this spread: t sd / sqrt(n).

        Args:
            n: number of seeds.
            level: the interval's confidence, 0 to 1.

        Returns:
            In the unit of `mean`; infinite where n seeds give no interval.

        Source: Student's t, e.g. Casella & Berger, "Statistical Inference", section 9.2.
        """
        from scipy.special import stdtrit  # scipy.stats is slow to import

        if self.sd is None or n < 2:
            return math.inf
        return float(stdtrit(n - 1, 0.5 + level / 2)) * self.sd / math.sqrt(n)

    def interval_at(self, level: float) -> tuple[float, float] | None:
        """The interval with confidence `level`; None where there are too few seeds for one."""
        half = self.half_width(self.n, level)
        return None if math.isinf(half) else (self.mean - half, self.mean + half)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval; None where there are too few seeds for one."""
        return self.interval_at(0.95)

    def p_value(self, against: float = 0.0) -> float | None:
        """The two-sided p-value of Student's t test of `mean` against another value; None where there is no interval.

        It is below 1 - level where `against` lies outside the interval with that level.

        Args:
            against: in the unit of `mean`.

        Source: Student's t, e.g. Casella & Berger, "Statistical Inference", section 8.3.
        """
        from scipy.special import stdtr  # scipy.stats is slow to import

        if self.sd is None:
            return None
        distance = abs(self.mean - against)
        if self.sd == 0:
            return 0.0 if distance else 1.0
        return 2 * float(stdtr(self.n - 1, -distance * math.sqrt(self.n) / self.sd))


def paired_effect(differences: Sequence[float]) -> Effect:
    """The effect of a paired difference.

    Not for images in the place of seeds: that ignores the variance of training.

    Args:
        differences: one a seed.

    Raises:
        InputError: no difference, or one that is not a finite number.
    """
    array = per_seed(differences, "differences")
    return Effect(float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else None, len(array))


def association_effect(x: Mapping[str, Sequence[float]], y: Mapping[str, Sequence[float]]) -> Effect:
    """How much y changes within an arm for one standard deviation of x: the slope common to all arms, times that.

    Both are centred within each arm, since arms that differ in x and y for a third reason would else look
    associated. Runs of one seed share their batches and are not independent of each other, so that the slope's standard
    error is the jackknife over seeds (CR3): (n - 1) / n times the sum over seeds of the squared change of the slope
    without that seed, with n - 1 degrees of freedom. It shows that two metrics vary together, never that one causes the
    other.

    Args:
        x, y: by arm, one number a seed; each arm with the same number of seeds, in the same order.

    Raises:
        InputError: different arms or numbers of seeds, numbers that are not finite, an x that does not vary.

    Source: MacKinnon, Nielsen & Webb, "Cluster-robust inference: a guide to empirical practice", 2023.
    """
    lengths = {len(x[arm]) for arm in x} | {len(y[arm]) for arm in y}
    if not x or list(x) != list(y) or len(lengths) != 1:
        raise InputError("x and y; allowed: the same arms, each with the same number of seeds")
    n = lengths.pop()
    a, b = (np.array([np.asarray(values[arm], np.float64) for arm in x]) for values in (x, y))  # (arms, seeds)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("x and y; allowed: finite numbers")
    if n < 3:  # without one of two seeds there is no slope
        return Effect(0.0, None, n)
    variation = float(_centred(a).var(1, ddof=1).mean())
    without = [np.arange(n) != seed for seed in range(n)]
    if not variation or not all(_centred(a[:, kept]).any() for kept in without):
        raise InputError("x does not vary within any arm; an association needs runs that differ")
    slope = _slope(a, b)
    changes = np.array([_slope(a[:, kept], b[:, kept]) - slope for kept in without])
    deviation = math.sqrt(variation)  # sd is the standard error times sqrt(n)
    return Effect(slope * deviation, math.sqrt((n - 1) * float(changes @ changes)) * deviation, n)


def _centred(values: np.ndarray) -> np.ndarray:
    """Each arm's values minus their mean; (arms, seeds)."""
    return values - values.mean(1, keepdims=True)


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """The slope of y on x that is common to all arms."""
    x, y = _centred(x), _centred(y)
    return float((x * y).sum() / (x * x).sum())


def per_seed(values: Sequence[float], name: str) -> np.ndarray:
    """`values` as float64 of shape (seeds,); an `InputError` that names them unless each is one finite number."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0 or not np.isfinite(array).all():
        raise InputError(f"{name}={list(values)!r}; allowed: one finite number a seed")
    return array


def paired(values: Sequence[float], baseline: Sequence[float]) -> np.ndarray:
    """`values - baseline`, of shape (seeds,); an `InputError` unless both are one finite number for each seed."""
    a, b = per_seed(values, "values"), per_seed(baseline, "baseline")
    if len(a) != len(b):
        raise InputError(f"values has {len(a)} seeds, baseline {len(b)}; pairs need the same")
    return a - b
