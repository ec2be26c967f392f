"""Figures against frequency: filters' selectivity, the energy that layers make anew, spectra of feature maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from windowconv.errors import InputError

from .checks import Array, Numbers, finite, nonempty
from .colours import PALETTE, arm_colours
from .maps import edges
from .style import GREY, SMALLEST, legend_above, panels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^vPX"  # beside the colours, for print without colour
EARLY, LATE = 0.0, 0.88  # of viridis: its yellow end is too pale for lines on white
SHOWN = 24  # names beside the colours; of more layers every second or third is named


@styled()
def selectivity_curves(maps: Numbers, filters: Sequence[int] | None = None, count: int = 6) -> Figure:
    """Filters' responses to gratings: over the plane of frequencies, and along each one's preferred orientation.

    `maps` (filters, n, n) are amplitudes with zero frequency at [n // 2, n // 2], as `Selectivity.maps` gives them.
    One column for each of `filters`, or of the `count` of largest response. Above: the response relative to its
    largest; the line is the preferred orientation. Below: the response along that line, read off linearly between
    the frequencies of the grid.
    """
    planes = finite(maps, "maps", None, None, None)
    n = planes.shape[1]
    if planes.shape[2] != n or n < 3:
        raise InputError(f"maps.shape={planes.shape}; allowed: (filters, n, n) with n of 3 or more")
    chosen = _chosen(planes, filters, count)
    figure, grid = panels(max(1.25 * len(chosen) + 1.4, 5), 3.7, 2, len(chosen))
    grid[0, 0].set_ylabel("along rows\n(cycles/pixel)")
    grid[1, 0].set_ylabel("response")
    highest = max(planes[f].max() for f in chosen) or 1.0
    image: Any = None
    for f, above, below in zip(chosen, grid[0], grid[1], strict=True):
        image, direction = _plane(above, planes[f])
        above.set_title(f"filter {f}")
        radii, line = _along(planes[f], direction)
        below.plot(radii, line, color=PALETTE[0], linewidth=1.6)
        below.set(xlim=(0, 0.5), ylim=(0, 1.06 * highest), xticks=[0, 0.25, 0.5])
        below.set_xticklabels(["0", "0.25", "0.5"])
        below.grid(axis="y")
        if below is not grid[1, 0]:
            below.tick_params(labelleft=False)
    figure.supxlabel("above: along columns; below: along the line (cycles/pixel)", size=9)
    figure.colorbar(image, ax=grid[0].tolist(), label="response, of its largest")
    return figure


@styled()
def response_curves(
    maps: Numbers, filters: Sequence[int] | None = None, count: int = 6, rate: float | None = None
) -> Figure:
    """The responses to gratings of filters of one axis, against frequency.

    `maps` (filters, n) are amplitudes with zero frequency at n // 2, as `Selectivity.maps` gives them for 1-D layers; a
    line for each of `filters`, or of the `count` of largest response. With `rate`, in samples per second, frequencies
    are in Hz.
    """
    lines = finite(maps, "maps", None, None)
    chosen = _chosen(lines, filters, count)
    figure, ((axes,),) = panels(6.4, 3.4)
    middle = lines.shape[1] // 2
    # of an even n, 1/2 is at -1/2
    half = np.concatenate([lines[:, middle:], lines[:, :1]], axis=1) if lines.shape[1] % 2 == 0 else lines[:, middle:]
    scale, unit = (1.0, "cycles/sample") if rate is None else (float(rate), "Hz")
    frequencies = scale * np.arange(half.shape[1]) / lines.shape[1]
    for f, colour in zip(chosen, cycle(PALETTE), strict=False):
        axes.plot(frequencies, half[f], color=colour, linewidth=1.4, label=f"filter {f}")
    axes.set(xlabel=f"frequency ({unit})", ylabel="response", xlim=(0, scale / 2))
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    legend_above(figure, axes, "")
    return figure


def _chosen(responses: Array, filters: Sequence[int] | None, count: int) -> list[int]:
    """The filters to draw: as asked, or those of largest response."""
    if filters is None and count < 1:
        raise InputError(f"count={count}; allowed: 1 or more")
    strongest = np.argsort(-responses.reshape(len(responses), -1).max(axis=1), kind="stable")[:count].tolist()
    chosen = strongest if filters is None else [int(f) for f in nonempty(filters, "filters")]
    if min(chosen) < 0 or max(chosen) >= len(responses):
        raise InputError(f"filters={chosen}; allowed: 0 to {len(responses) - 1}")
    return chosen


def _plane(axes: Axes, plane: Array) -> tuple[Any, Array]:
    """One filter's map, and the unit direction of its largest response, (row, column)."""
    n = len(plane)
    frequencies = (np.arange(n) - n // 2) / n
    left, right = edges(frequencies)
    shown = plane / (plane.max() or 1.0)
    image = axes.imshow(shown, cmap="magma", vmin=0, vmax=1, extent=(left, right, right, left))
    peak = np.array(np.unravel_index(plane.argmax(), plane.shape)) - n // 2
    direction = peak / np.hypot(*peak) if peak.any() else np.array([0.0, 1.0])
    direction = direction if tuple(direction[::-1]) > (0, 0) else -direction  # to the right
    axes.plot([0, 0.5 * direction[1]], [0, 0.5 * direction[0]], color="white", linewidth=0.8, linestyle=(0, (3, 2)))
    axes.set(xlim=(left, right), ylim=(right, left), xticks=[-0.25, 0.25], yticks=[-0.25, 0, 0.25])
    axes.set_xticklabels(["−0.25", "0.25"])
    axes.set_yticklabels(["−0.25", "0", "0.25"])
    axes.tick_params(length=2, labelleft=axes.get_subplotspec().is_first_col())  # pyright: ignore[reportOptionalMemberAccess]
    axes.spines[:].set_visible(False)
    return image, direction


def _along(plane: Array, direction: Array) -> tuple[Array, Array]:
    """Radii from 0 to 1/2 and the plane read off along a direction, linearly between its points, on the torus."""
    n = len(plane)
    radii = np.linspace(0, 0.5, 2 * n + 1)
    at = np.outer(direction, radii * n) + n // 2
    low = np.floor(at).astype(int)
    part = at - low
    line = np.zeros(len(radii))
    for down in (0, 1):
        for right in (0, 1):
            weight = np.abs(1 - down - part[0]) * np.abs(1 - right - part[1])
            line += weight * plane[(low[0] + down) % n, (low[1] + right) % n]
    return radii, line


@styled()
def new_energy(
    shares: Mapping[str, tuple[Numbers, Numbers]],
    ylabel: str = "share of energy at new frequencies",
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """The share of a layer's output energy at frequencies that the input does not have, against the input's.

    `shares` holds, for each label, the gratings' distances from zero frequency (G,) in cycles/pixel and the shares
    (G,) within [0, 1], as `OutputEnergy.new` gives them. Dots: single gratings; lines: means over rings 1/32 wide.
    Zero frequency, which is no grating, is left out.
    """
    palette = arm_colours(nonempty(shares, "shares")) | dict(colours or {})
    figure, ((axes,),) = panels(6.4, 3.8)
    for (label, (frequency, share)), marker in zip(shares.items(), cycle(MARKERS), strict=False):
        radius = finite(frequency, f"shares[{label!r}] frequencies", None)
        values = finite(share, f"shares[{label!r}] values", len(radius))
        if values.min() < -1e-6 or values.max() > 1 + 1e-6:
            span = f"{values.min():g} to {values.max():g}"
            raise InputError(f"shares[{label!r}] from {span}; allowed: 0 to 1")
        radius, values = radius[radius > 0], values[radius > 0]
        if len(radius) == 0:
            raise InputError(f"shares[{label!r}] has zero frequency only; allowed: one or more gratings")
        ring = np.rint(32 * radius)
        rings = np.unique(ring)
        means = [values[ring == at].mean() for at in rings]
        axes.plot(radius, values, ".", color=palette[label], markersize=2.5, alpha=0.3, markeredgewidth=0)
        axes.plot(rings / 32, means, color=palette[label], marker=marker, markersize=4, linewidth=1.6, label=label)
    for at, text in ((1 / 4, "1/4"), (1 / 2, "1/2")):
        axes.axvline(at, color=GREY, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0.5)
        place = {"xy": (at, 1), "xycoords": axes.get_xaxis_transform(), "ha": "center", "va": "bottom"}
        axes.annotate(text, **place, size=SMALLEST, color=GREY)
    axes.set(xlabel="distance of the grating from zero frequency (cycles/pixel)", ylabel=ylabel)
    axes.set_ylim(0, 1.02)
    axes.set_xlim(left=0)
    axes.grid(axis="y")
    legend_above(figure, axes, "dots: gratings; lines: means over rings")
    return figure


@styled()
def feature_spectra(spectra: Mapping[str, tuple[Numbers, Numbers]], title: str | None = None) -> Figure:
    """Log amplitudes of feature maps relative to zero frequency: one line per layer, from early (dark) to late.

    `spectra` holds, for each layer in the order in which they run, frequencies (R,) in cycles/pixel of its map and
    relative natural log amplitudes (R,), as `LayerSpectrum` has them.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    names = list(nonempty(spectra, "spectra"))
    colours = colormaps["viridis"](np.linspace(EARLY, LATE, len(names)))
    figure, ((axes,),) = panels(6.4, max(3.6, 1.2 + 0.15 * min(len(names), SHOWN)))
    for (name, (frequency, amplitude)), colour in zip(spectra.items(), colours, strict=True):
        at = finite(frequency, f"spectra[{name!r}] frequencies", None)
        values = finite(amplitude, f"spectra[{name!r}] values", len(at))
        axes.plot(at, values, color=colour, linewidth=1.4, marker="o", markersize=2.5)
    axes.set(xlabel="frequency (cycles/pixel of the layer's map)", xlim=(0, 0.505))
    axes.set_ylabel("log amplitude relative to zero frequency")
    axes.grid(axis="y")
    scale = ScalarMappable(Normalize(-0.5, len(names) - 0.5), ListedColormap(colours))
    bar = figure.colorbar(scale, ax=axes)
    step = -(-len(names) // SHOWN)
    bar.set_ticks(list(range(0, len(names), step)), labels=names[::step])
    bar.ax.tick_params(length=0, labelsize=SMALLEST)
    bar.ax.invert_yaxis()  # the first layer on top, as they are read
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    figure.suptitle(title or "")
    return figure
