"""The verdict on a claim, by a rule fixed before any run: it depends on one interval over seeds alone."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

from windowconv.errors import InputError
from windowconv.lab.statistics.effects import Effect

Answer = Literal["holds", "does not hold", "not settled"]
MOST_SEEDS = 100_000


@dataclass(frozen=True)
class Verdict:
    """What the interval says of the claim.

    Attributes:
        answer: see `verdict`.
        effect: the effect that was judged.
        smallest: d, the smallest effect of interest, in the effect's unit.
        small: the claim holds, but the whole interval lies below d.
        seeds: the number that would settle it with the same mean and spread; None where it is settled or unknown.
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


def verdict(effect: Effect, smallest: float) -> Verdict:
    """The rule, on the 95 % interval of the effect.

    - *holds*: the interval lies above 0 (`small`: and below d).
    - *does not hold*: it does not lie above 0, and its upper end is below d.
    - *not settled*: otherwise.

    Args:
        effect: of the contrast that was named before any run.
        smallest: d, the smallest effect of interest, in the effect's unit; above 0.

    Raises:
        InputError: a d that is not a finite number above 0.
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
    """The smallest number of seeds whose interval would lie above 0 or end below d; None above `MOST_SEEDS`.

    By bisection: the interval only shrinks.
    """
    room = max(effect.mean, smallest - effect.mean)
    more = range(effect.n + 1, MOST_SEEDS + 1)
    place = bisect_left(more, True, key=lambda n: effect.half_width(n) < room)
    return more[place] if place < len(more) else None
