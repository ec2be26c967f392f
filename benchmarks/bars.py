"""Bars: a limit for every row of a kind, and whether all of them reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmarks.pairs import Ratio
from benchmarks.record import Record

Ratios = list[tuple[str, Ratio]]


@dataclass(frozen=True)
class Bar:
    """A limit that holds for all rows of a kind."""

    name: str
    limit: float
    at_least: bool
    ratios: Callable[[Record], Ratios]  # (row's name, ratio)


@dataclass(frozen=True)
class Verdict:
    """A bar and what was measured."""

    bar: Bar
    rows: int
    where: str
    ratio: Ratio
    verdict: str
    others: tuple[str, ...]  # the rows that do not meet it

    @property
    def margin(self) -> float:
        """The worst ratio over the limit: above 1 (below, if it is a least one) the bar is missed."""
        return self.ratio.median / self.bar.limit


def judge(bar: Bar, record: Record) -> Verdict | None:
    """The verdict on a bar, None where nothing was measured: missed if one row misses it, met if all meet it."""
    ratios = bar.ratios(record)
    if not ratios:
        return None
    each = {name: _verdict(bar, ratio) for name, ratio in ratios}
    where, ratio = worst(ratios, bar.at_least)
    overall = next((verdict for verdict in ("missed", "undecided") if verdict in each.values()), "met")
    others = tuple(f"{name} ({verdict})" for name, verdict in each.items() if verdict != "met")
    return Verdict(bar, len(ratios), where, ratio, overall, others)


def _verdict(bar: Bar, ratio: Ratio) -> str:
    return ratio.verdict_at_least(bar.limit) if bar.at_least else ratio.verdict(bar.limit)


def worst(ratios: Iterable[tuple[str, Ratio]], at_least: bool) -> tuple[str, Ratio]:
    """The ratio that is farthest from a bar, and its name."""
    return (min if at_least else max)(ratios, key=lambda named: named[1].median)
