"""Figures about natural conditions: errors against their strength, and what pictures look like under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from windowconv.errors import InputError

from .arms import each_arm, mean_and_band
from .checks import Array, Numbers, finite, nonempty
from .style import SMALLEST, legend_above, panels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARP = 64  # pixels: up to here a picture goes into the drawing pixel by pixel


@dataclass(frozen=True)
class ErrorPanel:
    """One panel of `error_curves`.

    Attributes:
        title: above it.
        x: what errors are drawn against (X,), increasing.
        errors: for each arm, percent (seeds, X) or (X,).
        ticks: what stands below each x; numbers if empty.
    """

    title: str
    x: Numbers
    errors: Mapping[str, Numbers]
    ticks: Sequence[str] = ()


@styled()
def error_curves(
    shown: Sequence[ErrorPanel], xlabel: str, ylabel: str = "error (%)", colours: Mapping[str, str] | None = None
) -> Figure:
    """Errors of arms against the strength of a condition, side by side with one scale of errors.

    Lines are means over seeds, with a band from the smallest to the largest; points are what was measured. An
    `InputError` names a panel whose numbers are not finite percentages, do not fit each other, or do not increase.
    """
    count = len(nonempty(shown, "shown"))
    figure, grid = panels(max(2.6 * count + 0.7, 4.2), 3.5, 1, count)
    for axes, panel in zip(grid[0], shown, strict=True):
        _panel(axes, panel, colours)
        axes.set_title(panel.title)
    top = max(axes.dataLim.y1 for axes in grid[0])
    for axes in grid[0]:
        axes.set_ylim(0, 1.06 * top or 1)
        axes.tick_params(labelleft=axes is grid[0, 0])
    grid[0, 0].set_ylabel(ylabel)
    figure.supxlabel(xlabel, size=9)
    legend_above(figure, grid[0, 0], "mean; band: smallest to largest seed")
    return figure


def _panel(axes: Axes, panel: ErrorPanel, colours: Mapping[str, str] | None) -> None:
    name = f"the panel {panel.title!r}"
    x = finite(panel.x, f"x of {name}", None)
    if np.any(np.diff(x) <= 0):
        raise InputError(f"x of {name} does not increase; allowed: increasing numbers")
    for arm, given, line in each_arm(panel.errors, f"errors of {name}", colours):
        array: Any = np.asarray(given)
        seeds = finite(array[None] if array.ndim == 1 else array, f"errors[{arm!r}] of {name}", None, len(x))
        if seeds.min() < -1e-6 or seeds.max() > 100 + 1e-6:
            raise InputError(
                f"errors[{arm!r}] of {name} within {seeds.min():g} and {seeds.max():g}; allowed: within 0 and 100"
            )
        mean_and_band(axes, x, seeds, arm, line | {"marker": "o", "markersize": 3.5})
    if panel.ticks:
        if len(panel.ticks) != len(x):
            raise InputError(f"{len(panel.ticks)} ticks of {name}; allowed: {len(x)}, one per point")
        axes.set_xticks(x, panel.ticks)
    axes.grid(axis="y")


@styled()
def picture_sheet(rows: Mapping[str, Sequence[tuple[str, Numbers]]]) -> Figure:
    """Images in rows, each with a short title.

    `rows` holds, for each row's name, pairs of words and a picture (C, H, W), C 1 or 3, within [0, 1]. Rows may be of
    different lengths.
    """
    most = max(len(nonempty(held, f"rows[{name!r}]")) for name, held in nonempty(rows, "rows").items())
    figure, grid = panels(0.8 * most + 1.5, 0.97 * len(rows) + 0.1, len(rows), most)
    for axes in grid.ravel().tolist():
        axes.set_axis_off()
    for line, (name, held) in zip(grid, rows.items(), strict=True):
        for axes, (words, given) in zip(line, held, strict=False):
            _picture(axes, finite(given, f"the picture {words!r} of rows[{name!r}]", None, None, None))
            axes.set_title(words, fontsize=SMALLEST, pad=2)
        place: dict[str, Any] = {"xy": (-0.12, 0.5), "xycoords": "axes fraction", "ha": "right", "va": "center"}
        line[0].annotate(name, **place, size=SMALLEST)
    return figure


def _picture(axes: Axes, image: Array) -> None:
    channels, height, width = image.shape
    if channels not in (1, 3) or image.min() < -1e-6 or image.max() > 1 + 1e-6:
        raise InputError(
            f"picture of {channels} channels within {image.min():g} and {image.max():g}; allowed: 1 or 3 channels "
            "within 0 and 1"
        )
    drawn = np.clip(np.moveaxis(image, 0, -1), 0, 1)
    grey: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 1} if channels == 1 else {}
    how = "none" if max(height, width) <= SHARP else "antialiased"
    axes.imshow(drawn[:, :, 0] if grey else drawn, interpolation=how, **grey)
