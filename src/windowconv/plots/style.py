"""The look that all figures share: sizes, fonts, and one colour for each arm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from windowconv.errors import InputError, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Panels = np.ndarray[tuple[int, int], np.dtype[np.object_]]

# Okabe & Ito's colours for all kinds of colour vision (https://jfly.uni-koeln.de/color/), less the yellow,
# which is too pale for lines on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
PAPER_ARMS = {"3x3": "#0072B2", "7x7": "#D55E00", "7x7-hamming": "#009E73"}
GREY = "#6b6b6b"
SMALLEST = 8  # points

SETTINGS: dict[str, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that pages look the same everywhere
    "axes.titlesize": 9,
    "xtick.labelsize": SMALLEST,
    "ytick.labelsize": SMALLEST,
    "legend.fontsize": SMALLEST,
    "legend.title_fontsize": SMALLEST,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.axisbelow": True,
    "grid.color": "#dedede",
    "grid.linewidth": 0.6,
    "text.parse_math": False,  # an arm's name may hold a dollar sign
    "text.usetex": False,
}


@contextmanager
def styled() -> Iterator[None]:
    """The shared settings, for a `with` block or, as `@styled()`, for a function."""
    with require("matplotlib", "report").rc_context(SETTINGS):
        yield


def panels(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, Panels]:
    """A new figure of `width` x `height` inches and its (rows, columns) array of axes."""
    empty = require("matplotlib.figure", "report").Figure
    figure: Figure = empty(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:  # ticks are made when first drawn, perhaps outside of our settings
        axes.tick_params(labelsize=SMALLEST, color=GREY)
    return figure, grid


def legend_above(figure: Figure, axes: Axes, title: str) -> None:
    """The legend of `axes` above them, outside, where it can hide no data, in as many columns as fit."""
    handles, labels = axes.get_legend_handles_labels()
    characters = figure.get_figwidth() * 13  # of the legend's font, about, on one line
    columns = int(characters // (max(map(len, labels)) + 6))
    figure.legend(handles, labels, loc="outside upper center", ncols=max(1, columns), title=title)


def arm_colours(names: Iterable[str]) -> dict[str, str]:
    """One colour for each arm's name, the same whatever the order of `names`.

    The paper's arms ("3x3", "7x7", "7x7-hamming") have the same colours always, and other names take what is
    left in alphabetical order: figures that show different arms of one study share their colours by taking
    `colours=arm_colours(all the names)`. After the seven colours come darker ones; an `InputError` says when
    these are used up too.

    >>> arm_colours(["7x7", "3x3"])
    {'3x3': '#0072B2', '7x7': '#D55E00'}
    """
    wanted = sorted(set(names))
    fixed = {name: PAPER_ARMS[name] for name in wanted if name in PAPER_ARMS}
    spare = [colour for colour in (*PALETTE, *map(_darker, PALETTE[:-1])) if colour not in fixed.values()]
    others = [name for name in wanted if name not in fixed]
    if len(others) > len(spare):
        raise InputError(f"{len(wanted)} arms; allowed: {len(fixed) + len(spare)} or fewer, to tell apart by colour")
    found = fixed | dict(zip(others, spare, strict=False))
    return {name: found[name] for name in wanted}


def _darker(colour: str) -> str:
    return "#" + "".join(f"{int(colour[i : i + 2], 16) * 11 // 20:02X}" for i in (1, 3, 5))
