"""The verdict on a claim, by a rule that was fixed before any run: it looks at one interval over seeds, no more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from windowconv.errors import InputError
from windowconv.lab.statistics.paired import student_t

Answer = Literal["holds", "does not hold", "not settled"]
MOST_SEEDS = 100_000


@dataclass(frozen=True)
class Effect:
    """A mean over seeds and how it varies, enough for a t interval at any number of seeds.

    Attributes:
        mean: in the study's unit; positive where the claim says so.
        sd: what the standard error is `sd / sqrt(n)` of; None for one seed.
        n: seeds.
        groups, lost: the interval has `groups * n - lost` degrees of freedom: 1 and 1 for a paired difference.
    """

    mean: float
    sd: float | None
    n: int
    groups: int = 1
    lost: int = 1

    def half_width(self, n: int, level: float = 0.95) -> float:
        """Of the interval that n seeds would give if they varied as these do; infinite where they give none."""
        degrees = self.groups * n - self.lost
        if self.sd is None or degrees < 1:
            return math.inf
        return student_t(degrees, level) * self.sd / math.sqrt(n) if self.sd else 0.0

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval; None where there are too few seeds for one."""
        half = self.half_width(self.n)
        return None if math.isinf(half) else (self.mean - half, self.mean + half)


@dataclass(frozen=True)
class Verdict:
    """What the interval says of the claim.

    Attributes:
        answer: see `verdict`.
        effect: what it rests on.
        smallest: the smallest effect of interest d.
        small: the effect is there, but wholly below d.
        seeds: that would settle it at this mean and spread; None where it is settled or unknown.
    """

    answer: Answer
    effect: Effect
    smallest: float
    small: bool = False
    seeds: int | None = None

    def __str__(self) -> str:
        if self.answer == "holds":
            return "holds, but the effect is smaller than the smallest one of interest" if self.small else "holds"
        if self.answer == "does not hold":
            return "does not hold"
        if self.effect.interval is None:
            return "not settled: an interval needs more seeds"
        if self.seeds is None:
            return f"not settled; more than {MOST_SEEDS:,} seeds would be needed"
        return f"not settled; about {self.seeds:,} seeds would settle it at this mean and spread"


def paired_effect(differences: Sequence[float]) -> Effect:
    """The effect of one paired difference a seed.

    Raises:
        InputError: none, or one that is not a finite number.
    """
    array = np.asarray(differences, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0 or not np.isfinite(array).all():
        raise InputError(f"differences={list(differences)!r}; allowed: one finite number a seed")
    return Effect(float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else None, len(array))


def association_effect(x: Mapping[str, Sequence[float]], y: Mapping[str, Sequence[float]]) -> Effect:
    """How much y changes, within an arm, for one standard deviation of x: the common slope of all arms times that.

    Each arm has a mean of its own taken off first, since arms that differ in both x and y for some third reason would
    else make an association. The interval is that of the slope, with `arms * n - arms - 1` degrees of freedom. It shows
    that two figures go together, never that one causes the other.

    Args:
        x, y: by arm, one figure a seed; each arm with the same number of seeds.

    Raises:
        InputError: arms or seeds that do not fit, or an x that does not vary.

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
    rest = b - slope * a
    error = math.sqrt(float(rest @ rest) / degrees / float(a @ a))
    return Effect(slope * deviation, error * deviation * math.sqrt(n), n, groups, groups + 1)


def verdict(effect: Effect, smallest: float) -> Verdict:
    """The rule, on the 95 % interval of the effect.

    *holds*: the interval lies wholly above 0 (`small` says where it also lies wholly below d); *does not hold*: it does
    not, and its upper end is below d; *not settled*: else, with the number of seeds that would settle it.

    Args:
        effect: of the contrast that was named beforehand.
        smallest: d, the smallest effect of interest, above 0.

    Raises:
        InputError: a d that is not positive.
    """
    if not (math.isfinite(smallest) and smallest > 0):
        raise InputError(f"smallest={smallest}; allowed: a finite number above 0")
    interval = effect.interval
    if interval is None:
        return Verdict("not settled", effect, smallest)
    low, high = interval
    if low > 0:
        return Verdict("holds", effect, smallest, small=high < smallest)
    if high < smallest:
        return Verdict("does not hold", effect, smallest)
    return Verdict("not settled", effect, smallest, seeds=_seeds_that_settle(effect, smallest))


def _seeds_that_settle(effect: Effect, smallest: float) -> int | None:
    """The first number of seeds whose interval would lie above 0 or end below d, by bisection: it only shrinks."""
    room = max(effect.mean, smallest - effect.mean)

    def settles(n: int) -> bool:
        return effect.half_width(n) < room

    low, high = effect.n, effect.n + 1
    while not settles(high):
        low, high = high, 2 * high
        if high > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settles(middle) else (middle, high)
    return high
