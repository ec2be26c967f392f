"""Differences as tables and sentences write them."""

from __future__ import annotations

from windowconv.lab.statistics.paired import paired_difference

INTERVAL_SEEDS = 3


def difference(values: list[float], against: list[float]) -> str:
    """The paired difference in words, such as "+1.20 [+0.30, +2.10]".

    Two seeds have an interval too, but with one degree of freedom it is often absurdly wide and sometimes, by luck,
    absurdly narrow: below `INTERVAL_SEEDS` each seed's difference stands in its place.
    """
    paired = paired_difference(values, against)
    text = f"{paired.mean:+.2f}"
    if paired.n >= INTERVAL_SEEDS:
        text += f" [{paired.low:+.2f}, {paired.high:+.2f}]"
    elif paired.n > 1:
        text += " (" + ", ".join(f"{a - b:+.2f}" for a, b in zip(values, against, strict=True)) + ")"
    return text.replace("-", "−")
