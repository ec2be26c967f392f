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
        n: number of seeds.
        groups, lost: the interval has `groups * n - lost` degrees of freedom: 1 and 1 for a paired difference.
    """

    mean: float
    sd: float | None
    n: int
    groups: int = 1
    lost: int = 1

    def degrees(self, n: int) -> int:
        """The degrees of freedom that n seeds give; below 1 there is no interval."""
        return self.groups * n - self.lost

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

        degrees = self.degrees(n)
        if self.sd is None or degrees < 1:
            return math.inf
        return float(stdtrit(degrees, 0.5 + level / 2)) * self.sd / math.sqrt(n)

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

        degrees = self.degrees(self.n)
        if self.sd is None or degrees < 1:
            return None
        distance = abs(self.mean - against)
        if self.sd == 0:
            return 0.0 if distance else 1.0
        return 2 * float(stdtr(degrees, -distance * math.sqrt(self.n) / self.sd))


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
    associated. The interval is the slope's, with `arms * n - arms - 1` degrees of freedom. It shows that two metrics
    vary together, never that one causes the other.

    Args:
        x, y: by arm, one number a seed; each arm with the same number of seeds.

    Raises:
        InputError: different arms or numbers of seeds, numbers that are not finite, an x that does not vary.

    Source: analysis of covariance, e.g. Cox, "Principles of Statistical Inference", 2006.
    """
    lengths = {len(x[arm]) for arm in x} | {len(y[arm]) for arm in y}
    if not x or list(x) != list(y) or len(lengths) != 1:
        raise InputError("x and y; allowed: the same arms, each with the same number of seeds")
    groups, n = len(x), lengths.pop()
    a, b = (np.array([np.asarray(v[arm], np.float64) - np.mean(v[arm]) for arm in x]).ravel() for v in (x, y))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("x and y; allowed: finite numbers")
    degrees = groups * n - groups - 1
    if n < 2 or degrees < 1:
        return Effect(0.0, None, n, groups, groups + 1)
    if not a.any():
        raise InputError("x does not vary within any arm; an association needs runs that differ")
    deviation = math.sqrt(float(a @ a) / (groups * (n - 1)))
    slope = float(a @ b) / float(a @ a)
    residuals = b - slope * a
    error = math.sqrt(float(residuals @ residuals) / degrees / float(a @ a))
    return Effect(slope * deviation, error * deviation * math.sqrt(n), n, groups, groups + 1)


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
