"""The look that all figures share: sizes and fonts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from windowconv.errors import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Panels = np.ndarray[tuple[int, int], np.dtype[np.object_]]

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
    require("matplotlib", "report")
    from .figure import NotebookFigure

    figure = NotebookFigure(figsize=(width, height), layout="constrained")
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


def plain_decades(axes: Axes) -> None:
    """Logarithmic ticks as plain numbers, with 2 and 5, or all, between the powers of ten where there is room."""
    from matplotlib import ticker

    low, high = axes.get_ylim()
    between = range(1, 10) if low > high / 5 else (1, 2, 5) if low > high / 200 else (1,)
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=tuple(between), numticks=20))
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())
