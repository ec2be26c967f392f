"""Differences that were named beforehand, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from windowconv.errors import InputError

from .checks import Numbers, finite, nonempty
from .style import GREY, panels, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIRST, OTHERS = "#000000", GREY  # no arm's colour


@styled()
def contrasts(
    differences: Mapping[str, Numbers],
    intervals: Mapping[str, tuple[float, float] | None],
    smallest: float | None = None,
    xlabel: str = "difference (points)",
) -> Figure:
    """A row for each difference: a dot for each seed, a diamond for the mean, a line for the interval.

    The first one, which decides, is black, the others are grey.

    Args:
        differences: by name, one per seed (seeds,).
        intervals: by the same names; None where there is none.
        smallest: the smallest difference of interest; the range from 0 to it is shaded.
        xlabel: what they are, with the unit.

    Raises:
        InputError: no difference, names that differ, numbers that are not finite.
    """
    if list(nonempty(differences, "differences")) != list(intervals):
        raise InputError(f"intervals={list(intervals)}; allowed: the names of the differences, {list(differences)}")
    figure, ((axes,),) = panels(6.4, 1.0 + 0.42 * len(differences))
    if smallest is not None:
        axes.axvspan(0, smallest, color="#e9eef3", zorder=0, label="_")
    axes.axvline(0, color=GREY, linewidth=0.9)
    for row, (name, given) in enumerate(differences.items()):
        seeds = finite(given, f"differences[{name!r}]", None)
        colour = FIRST if row == 0 else OTHERS
        axes.plot(seeds, [row - 0.18] * len(seeds), "o", color=colour, markersize=3.5, alpha=0.5, markeredgewidth=0)
        held = intervals[name]
        if held is not None:
            axes.plot(held, [row, row], color=colour, linewidth=1.8, solid_capstyle="butt")
        axes.plot(seeds.mean(), row, "D", color=colour, markersize=5)
    axes.set_yticks(range(len(differences)), [_wrapped(name) for name in differences])
    axes.set_ylim(len(differences) - 0.5, -0.6)
    shade = "" if smallest is None else f"\nshaded: from 0 to {smallest:g}, the smallest of interest"
    axes.set_xlabel(f"{xlabel}\ndots: seeds; diamonds: means; lines: 95 % intervals{shade}")
    axes.grid(axis="x")
    axes.margins(x=0.06)
    return figure


def _wrapped(name: str, width: int = 34) -> str:
    """A long name on several lines, broken at spaces."""
    lines: list[str] = []
    for word in name.split(" "):
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)
