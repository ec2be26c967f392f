"""Figures that compare the arms of a study: each with its number of seeds and their spread.

Each takes a mapping from an arm's name and draws one colour an arm (`arm_colours`; `colours` overrules some).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from windowconv.errors import InputError

from .checks import Array, Numbers, finite, nonempty, shares
from .colours import arm_colours
from .style import GREY, SMALLEST, legend_above, panels, plain_decades, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES = ("-", "--", "-.", ":")  # beside the colours, for print without colour


@styled()
def learning_curves(
    curves: Mapping[str, Sequence[tuple[Numbers, Numbers]]],
    ylabel: str = "test accuracy (%)",
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """A value against the epoch: a thin line for each seed, a thick one for their mean.

    `curves` holds, for each arm, one pair per seed of epochs (E,) and values (E,) in the unit of `ylabel`. The
    mean is drawn at the epochs that all seeds of the arm have. An `InputError` names an arm without seeds,
    whose seeds share no epoch, or whose numbers are not finite or not of one length.
    """
    figure, ((axes,),) = panels(6.4, 3.8)
    for arm, seeds, line in each_arm(curves, "curves", colours):
        name = f"curves[{arm!r}]"
        runs = [_run(epochs, values, name) for epochs, values in nonempty(seeds, name)]
        for epochs, values in runs:
            axes.plot(epochs, values, color=line["color"], linewidth=0.7, alpha=0.45, **_marker(epochs))
        shared = reduce(np.intersect1d, [epochs for epochs, _ in runs])
        if shared.size == 0:
            raise InputError(f"{name} has {len(runs)} seeds without a common epoch; allowed: seeds that share an epoch")
        mean = np.mean([values[np.isin(epochs, shared)] for epochs, values in runs], axis=0)
        label = f"{arm} (n = {len(runs)})"
        # solid: dashes would hide the noise
        axes.plot(shared, mean, label=label, color=line["color"], linewidth=2, **_marker(shared))
    axes.set(xlabel="epoch", ylabel=ylabel)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y")
    axes.margins(x=0.01)
    if np.ptp(axes.dataLim.intervalx) == 0:  # a single epoch: no fractions beside it
        axes.set(xticks=[axes.dataLim.x0])
    legend_above(figure, axes, "thick: mean over the seeds; thin: each seed")
    return figure


def _marker(epochs: Array) -> dict[str, str]:
    """A line of a single point cannot be seen without one."""
    return {"marker": "o"} if len(epochs) == 1 else {}


def _run(epochs: Numbers, values: Numbers, name: str) -> tuple[Array, Array]:
    steps = finite(epochs, f"{name} epochs", None)
    if np.any(np.diff(steps) <= 0):
        raise InputError(f"{name} epochs={steps.tolist()!r:.60}; allowed: increasing numbers")
    return steps, finite(values, f"{name} values", len(steps))


@styled()
def leakage_curves(curves: Mapping[str, Numbers], radii: Numbers, colours: Mapping[str, str] | None = None) -> Figure:
    """The share of spectral energy farther than r from the peaks, against r, on a logarithmic axis.

    `curves` holds, for each label, shares (R,) or (seeds, R) within [0, 1], drawn as their mean and a band
    from the smallest to the largest seed; `radii` (R,) are in cycles/pixel. Guides stand at r = 1/8 and 1/4.
    Shares below 1e-4 are cut off.
    """
    r = finite(radii, "radii", None)
    figure, ((axes,),) = panels(6.4, 3.8)
    lowest = 1.0
    for arm, given, line in each_arm(curves, "curves", colours):
        seeds = shares(given, f"curves[{arm!r}]", len(r))
        mean_and_band(axes, r, seeds, arm, line)
        lowest = seeds[seeds > 0].min(initial=lowest)
    axes.set(xlabel="r (cycles/pixel)", ylabel="share of energy farther than r", yscale="log")
    axes.set_ylim(max(lowest, 1e-4), 1.15)
    plain_decades(axes)
    axes.grid(axis="y")
    axes.margins(x=0.01)
    for at, text in ((1 / 8, "1/8"), (1 / 4, "1/4")):
        axes.axvline(at, color=GREY, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0.5)
        place = {"xy": (at, 1), "xycoords": axes.get_xaxis_transform(), "ha": "center", "va": "bottom"}
        axes.annotate(f"r = {text}", **place, size=SMALLEST, color=GREY)
    legend_above(figure, axes, "mean; band: smallest to largest seed")
    return figure


@styled()
def leakage_by_layer(
    values: Mapping[str, Numbers],
    layers: Sequence[str],
    r: float = 0.25,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """The share of spectral energy farther than `r` from the peaks, layer by layer from the input on.

    `values` holds, for each arm, shares (seeds, L) or (L,) within [0, 1], drawn as their mean and a band from
    the smallest to the largest seed; `layers` are the L layers' names and `r` is in cycles/pixel.
    """
    depth = np.arange(1.0, len(nonempty(layers, "layers")) + 1)
    upright = sum(map(len, layers)) > 70  # characters side by side
    width = min(max(6.4, 0.28 * len(layers)), 9)
    figure, ((axes,),) = panels(width, 3.6 + (0.075 * max(map(len, layers)) if upright else 0))
    for arm, given, line in each_arm(values, "values", colours):
        seeds = shares(given, f"values[{arm!r}]", len(layers))
        mean_and_band(axes, depth, seeds, arm, line | {"marker": "o", "markersize": 4})
    axes.set_xticks(depth, layers, rotation=90 if upright else 0)
    axes.set_xlabel("layer, from the input on")
    axes.set_ylabel(f"share of energy farther than r\n(r = {r:g} cycles/pixel)")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    legend_above(figure, axes, "mean; band: smallest to largest seed")
    return figure


@styled()
def accuracy_by_arm(
    values: Mapping[str, Numbers],
    xlabel: str = "test accuracy (%)",
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """A dot for each seed's accuracy and, for each arm, the mean with one standard deviation either side.

    `values` holds, for each arm, one accuracy per seed in percent (seeds,). The deviation is the sample's
    (n - 1), left out for a single seed. The axis is cut to the data, and says so.
    """
    figure, ((axes,),) = panels(6.4, 0.9 + 0.62 * len(values))
    labels = []
    for row, (arm, given, line) in enumerate(each_arm(values, "values", colours)):
        seeds = finite(given, f"values[{arm!r}]", None)
        mean, n = seeds.mean(), len(seeds)
        spread = seeds.std(ddof=1) if n > 1 else None
        dot = {"color": line["color"], "markersize": 5}
        axes.plot(seeds, np.full(n, row), "o", alpha=0.55, markeredgewidth=0, **dot)
        axes.errorbar(mean, row + 0.22, xerr=spread, fmt="D", capsize=3, **dot)
        labels.append(f"{arm}\n{mean:.2f}" + (f" ± {spread:.2f}" if n > 1 else "") + f" (n = {n})")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.5)  # the first arm on top
    key = "dots: seeds; diamonds: mean ± standard deviation"
    axes.set_xlabel(f"{xlabel}; the axis does not start at 0\n{key}")
    axes.grid(axis="x")
    axes.margins(x=0.08)
    return figure


def each_arm(
    arms: Mapping[str, Any], name: str, colours: Mapping[str, str] | None
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Each arm, what it holds, and its line's colour and dashes; an `InputError` if there is none."""
    given = dict(colours or {})
    palette = given if given.keys() >= nonempty(arms, name).keys() else arm_colours(arms) | given
    for (arm, held), dash in zip(arms.items(), cycle(DASHES), strict=False):
        yield arm, held, {"color": palette[arm], "linestyle": dash}


def mean_and_band(axes: Axes, x: Array, seeds: Array, arm: str, line: dict[str, Any]) -> None:
    """Draw the mean over `seeds` (seeds, X), and a band from the smallest to the largest where there are several."""
    label = f"{arm} (n = {len(seeds)})" if len(seeds) > 1 else arm
    axes.plot(x, seeds.mean(axis=0), label=label, linewidth=2, **line)
    if len(seeds) > 1:
        lowest, highest = seeds.min(axis=0), seeds.max(axis=0)
        axes.fill_between(x, lowest, highest, color=line["color"], alpha=0.18, linewidth=0)
