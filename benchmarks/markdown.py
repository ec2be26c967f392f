"""Pieces of the page: Markdown tables and what stands in their cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from benchmarks.fftconv.ratios import Timed
from benchmarks.pairs import Ratio


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table; nothing without rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return ["\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines])] if lines else []


def cell(ratio: Ratio, times: bool = False, n: bool = True) -> str:
    """A ratio with its interval and pairs."""
    digits = 1 if times else 2
    low, high = f"{ratio.low:.{digits}f}", f"{ratio.high:.{digits}f}"
    counted = f"; n={ratio.pairs}" if n else ""
    return f"{ratio.median:.{digits}f}{'x' if times else ''} ({low} to {high}{counted})"


def milliseconds(timed: Timed, variant: str) -> str:
    """A variant's median, from the warm-up if it was not timed further."""
    samples = timed["samples"].get(variant)
    value = median(samples) if samples else timed["dropped"].get(variant)
    return "" if value is None else f"{1e3 * value:.{1 if value < 0.1 else 0}f}{'' if samples else '*'}"
