"""Verdicts on claims, by a rule fixed before any run: they depend on the seeds' differences alone."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from windowconv.errors import InputError
from windowconv.lab.statistics.effects import Effect
from windowconv.lab.statistics.power import detectable_effect
from windowconv.lab.statistics.significance import holm

Answer = Literal["holds", "does not hold", "not settled"]
ALPHA = 0.05
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
        family: how many claims are judged together, under Holm.
        adjusted: Holm's p-value of the two-sided t test against 0; None where there is no interval.
    """

    answer: Answer
    effect: Effect
    smallest: float
    small: bool = False
    seeds: int | None = None
    family: int = 1
    adjusted: float | None = None

    @property
    def detectable(self) -> float | None:
        """The effect that these seeds see with 80 % power at their spread, at worst under Holm; None for one seed."""
        return detectable_effect(self.effect, self.effect.n, ALPHA / self.family)

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
    """The rule for one claim, on the 95 % interval of the effect.

    - *holds*: the interval lies above 0 (`small`: and below d).
    - *does not hold*: it does not lie above 0, and its upper end is below d.
    - *not settled*: otherwise.

    Args:
        effect: of the contrast that was named before any run.
        smallest: d, the smallest effect of interest, in the effect's unit; above 0.

    Raises:
        InputError: a d that is not a finite number above 0.
    """
    return verdicts([effect], smallest)[0]


def verdicts(effects: Sequence[Effect], smallest: float) -> list[Verdict]:
    """The rule for several claims of one study, whose chance of any false verdict of a kind stays below 5 %.

    Two t tests are made of each effect, one against 0 and one against d, both two-sided; each of the two families of
    p-values is adjusted by Holm.

    - *holds*: above 0, with an adjusted p-value against 0 below 0.05.
    - *does not hold*: not so, but below d, with an adjusted p-value against d below 0.05.
    - *not settled*: otherwise.

    For a single effect this is the rule of `verdict`.

    Args:
        effects: of the contrasts that were named before any run.
        smallest: d, the smallest effect of interest, in their unit; above 0.

    Raises:
        InputError: a d that is not a finite number above 0.
    """
    if not (math.isfinite(smallest) and smallest > 0):
        raise InputError(f"smallest={smallest}; allowed: a finite number above 0")
    zero, d = (_adjusted(effects, against) for against in (0.0, smallest))
    return [_verdict(*each, smallest, len(effects)) for each in zip(effects, zero, d, strict=True)]


def _adjusted(effects: Sequence[Effect], against: float) -> list[float | None]:
    """Holm's p-values against a value; an effect without an interval counts as one that cannot be told from it."""
    tested = [effect.p_value(against) for effect in effects]
    if len(effects) == 1:
        return tested
    found = holm({str(i): 1.0 if p is None else p for i, p in enumerate(tested)})
    return [None if p is None else found[str(i)] for i, p in enumerate(tested)]


def _verdict(effect: Effect, zero: float | None, d: float | None, smallest: float, family: int) -> Verdict:
    interval = effect.interval
    if interval is None or zero is None or d is None:
        return Verdict("not settled", effect, smallest, family=family)
    if effect.mean > 0 and zero < ALPHA:
        return Verdict("holds", effect, smallest, interval[1] < smallest, family=family, adjusted=zero)
    if effect.mean < smallest and d < ALPHA:
        return Verdict("does not hold", effect, smallest, family=family, adjusted=zero)
    seeds = _seeds_that_settle(effect, smallest, family)
    return Verdict("not settled", effect, smallest, seeds=seeds, family=family, adjusted=zero)


def _seeds_that_settle(effect: Effect, smallest: float, family: int) -> int | None:
    """The smallest number of seeds whose interval would lie above 0 or end below d; None above `MOST_SEEDS`.

    By bisection: the interval only shrinks. Of a family, the interval is that of the strictest test.
    """
    room, level = max(effect.mean, smallest - effect.mean), 1 - ALPHA / family
    more = range(effect.n + 1, MOST_SEEDS + 1)
    place = bisect_left(more, True, key=lambda n: effect.half_width(n, level) < room)
    return more[place] if place < len(more) else None
