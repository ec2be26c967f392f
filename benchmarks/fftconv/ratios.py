"""Ratios of a record's rows: ratios of what was timed in turn."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.pairs import Ratio, ratio
from benchmarks.record import Row

Timed = dict[str, Any]
UNSTEADY = 2.0  # a row with a larger spread had better be measured again


def fastest(timed: Timed, name: str) -> str:
    """Of a variant's two layouts the one with the smaller median; the one that was timed on, if only one was."""
    found = [variant for variant in (name, f"{name} contiguous") if variant in timed["samples"]]
    return min(found, key=lambda variant: median(timed["samples"][variant]))


def slowdown(timed: Timed, variant: str, baseline: str) -> Ratio:
    """Time of a variant over that of a baseline's faster layout."""
    return ratio(timed["samples"][variant], timed["samples"][fastest(timed, baseline)])


def speedup(timed: Timed, baseline: str, variant: str) -> Ratio:
    """Time of a baseline's faster layout over that of a variant: how many times faster the variant is."""
    return ratio(timed["samples"][fastest(timed, baseline)], timed["samples"][variant])


def against_same(row: Row, variant: str = "fft") -> Ratio:
    """How many times faster than torch's own of the same size."""
    return speedup(row["same"], "direct", variant) if "same" in row else speedup(row["small"], "3x3", variant)


def against_small(row: Row, variant: str = "fft") -> Ratio:
    """The share of the time of torch's 3x3."""
    return slowdown(row["small"], variant, "3x3")


def loss_of_auto(row: Row) -> Ratio:
    """Time of the algorithm that `auto` chooses over that of the better one: exactly 1 where that is the same."""
    faster = against_same(row)
    if row["auto"] == "fft":
        lost = Ratio(
            1 / faster.median, 1 / faster.high, 1 / faster.low, faster.pairs, faster.baseline_s, faster.variant_s
        )
    else:
        lost = faster
    return lost if lost.median > 1 else Ratio(1.0, 1.0, 1.0, lost.pairs, lost.variant_s, lost.variant_s)


def smallest_direct(row: Row) -> int:
    """Of a row of memory, the bytes of the direct 7x7 network in the better layout."""
    return min(size for variant, size in row["bytes"].items() if variant.startswith("direct"))


def spread(row: Row) -> float:
    """The largest ratio of a variant's times to each other in a row: large where the machine was disturbed."""
    groups = [row[name]["samples"] for name in ("small", "same") if name in row]
    return max((max(times) / min(times) for samples in groups for times in samples.values()), default=1.0)


def exact(value: float) -> Ratio:
    """A ratio without spread, measured once."""
    return Ratio(value, value, value, 1, value, 1.0)
