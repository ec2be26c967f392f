"""Figures of maps over frequencies or pixels: Fourier heat maps, their differences, effective receptive fields."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from windowconv.errors import InputError

from .checks import Array, Numbers, finite
from .style import SMALLEST, panels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAINTEST = 1e-3  # of a receptive field's largest value


@styled()
def heat_map(
    error: Numbers,
    rows: Numbers,
    columns: Numbers,
    clean: float | None = None,
    title: str | None = None,
    limits: tuple[float, float] | None = None,
    label: str = "error (%)",
) -> Figure:
    """A classifier's error under a perturbation of each frequency, zero frequency in the middle.

    `error` (R, C) holds shares within [0, 1] at the frequencies `rows` (R,) and `columns` (C,) in cycles/pixel, as
    `FourierHeatMap` has them; `clean`, the error without perturbation, is marked on the colour bar. `limits` in
    percent give several figures one scale.
    """
    vertical, horizontal = _frequencies(rows, "rows"), _frequencies(columns, "columns")
    percent = 100 * _shares(error, "error", vertical, horizontal)
    marked = [] if clean is None else [100 * float(finite(clean, "clean"))]
    low, high = limits or (0.0, max(percent.max(), *marked, 1.0))
    if not low < high:
        raise InputError(f"limits={limits!r}; allowed: two increasing numbers, in percent")
    figure, ((axes,),) = panels(4.3, 3.6)
    image = _show(axes, percent, vertical, horizontal, cmap="magma", vmin=low, vmax=high)
    bar = figure.colorbar(image, ax=axes, label=label)
    for at in marked:
        # white within black, so that it is seen on every colour
        bar.ax.axhline(at, color="black", linewidth=3)
        bar.ax.axhline(at, color="white", linewidth=1.2)
        axes.set_title(f"white mark: {at:.1f} % without perturbation")
    figure.suptitle(title or "")
    return figure


@styled()
def heat_map_difference(
    error: Numbers, baseline: Numbers, rows: Numbers, columns: Numbers, title: str | None = None, label: str = "error"
) -> Figure:
    """One Fourier heat map less another, in percentage points: red where `error` is the larger, blue where it is less.

    `error` and `baseline` (R, C) hold shares within [0, 1] at the frequencies `rows` (R,) and `columns` (C,) in
    cycles/pixel. White is zero, and both colours reach equally far.
    """
    vertical, horizontal = _frequencies(rows, "rows"), _frequencies(columns, "columns")
    difference = 100 * (
        _shares(error, "error", vertical, horizontal) - _shares(baseline, "baseline", vertical, horizontal)
    )
    reach = np.abs(difference).max() or 1.0
    figure, ((axes,),) = panels(4.3, 3.5)
    image = _show(axes, difference, vertical, horizontal, cmap="RdBu_r", vmin=-reach, vmax=reach)
    figure.colorbar(image, ax=axes, label=f"difference of {label}, in points")
    figure.suptitle(title or "")
    return figure


@styled()
def receptive_field(
    field: Numbers,
    centre: Sequence[float],
    radii: Sequence[float],
    shares: Sequence[float] = (0.5, 0.9545),
    title: str | None = None,
) -> Figure:
    """An effective receptive field in decades below its largest value, with the circles that hold shares of it.

    `field` (H, W) is not negative; `centre` (row, column) and the `radii` of the `shares` are in pixels, as
    `ReceptiveField` has them.
    """
    values = finite(field, "field", None, None)
    middle = finite(centre, "centre", 2)
    reach = finite(radii, "radii", None)
    held = finite(shares, "shares", len(reach))
    if values.min() < 0 or values.max() == 0:
        raise InputError(f"field within {values.min():g} and {values.max():g}; allowed: 0 or above, not all 0")
    from matplotlib.colors import LogNorm
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle

    height, width = values.shape
    figure, ((axes,),) = panels(4.5, 3.7)
    relative = np.maximum(values / values.max(), FAINTEST)
    image = axes.imshow(relative, cmap="magma", norm=LogNorm(FAINTEST, 1), interpolation="nearest")
    handles = []
    for radius, share, dash in zip(reach, held, cycle(("-", "--", ":", "-.")), strict=False):
        for colour, line in (("black", 2.6), ("white", 1.2)):  # seen on every colour
            style: dict[str, Any] = {"color": colour, "linewidth": line, "linestyle": dash}
            axes.add_patch(Circle((middle[1], middle[0]), radius, fill=False, **style))
        style = {"color": "black", "linewidth": 1.2, "linestyle": dash}
        handles.append(Line2D([], [], label=f"{100 * share:g} % within {radius:.1f} pixels", **style))
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xlabel="column (pixels)", ylabel="row (pixels)")
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, label="gradient, relative to the largest", extend="min")
    bar.set_ticks([10.0**-n for n in range(4)], labels=["0.001", "0.01", "0.1", "1"][::-1])
    bar.minorticks_off()
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    figure.suptitle(title or "")
    return figure


def _shares(given: Any, name: str, rows: Array, columns: Array) -> Array:
    array = finite(given, name, len(rows), len(columns))
    if array.min() < -1e-6 or array.max() > 1 + 1e-6:
        raise InputError(f"{name} within {array.min():g} and {array.max():g}; allowed: within 0 and 1")
    return array


def _frequencies(given: Any, name: str) -> Array:
    array = finite(given, name, None)
    if len(array) > 1 and not np.allclose(np.diff(array), (array[-1] - array[0]) / (len(array) - 1)):
        raise InputError(f"{name} are unevenly spaced; allowed: evenly spaced frequencies")
    if len(array) > 1 and array[1] <= array[0]:
        raise InputError(f"{name} do not increase; allowed: increasing frequencies")
    return array


def edges(frequencies: Array) -> tuple[float, float]:
    """Where the first and the last cell of evenly spaced frequencies end; a single one has a cell of 1."""
    half = (frequencies[1] - frequencies[0]) / 2 if len(frequencies) > 1 else 0.5
    return float(frequencies[0] - half), float(frequencies[-1] + half)


def _show(axes: Axes, values: Array, rows: Array, columns: Array, **colours: Any) -> Any:
    top, bottom = edges(rows)
    image = axes.imshow(values, extent=(*edges(columns), bottom, top), interpolation="nearest", **colours)
    axes.set(xlabel="along columns (cycles/pixel)", ylabel="along rows (cycles/pixel)")
    axes.tick_params(labelsize=SMALLEST)
    axes.spines[:].set_visible(False)
    return image
