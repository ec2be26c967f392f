"""Figures about attacks: accuracy and differences against the budget, distances, and what perturbations look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from windowconv.errors import InputError

from .arms import each_arm
from .checks import Array, Numbers, finite, nonempty, shares
from .style import GREY, SMALLEST, legend_above, panels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled()
def robust_accuracy(
    curves: Mapping[str, Numbers],
    budgets: Numbers,
    ticks: Sequence[str],
    xlabel: str,
    clean: Mapping[str, Numbers] | None = None,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Robust accuracy against the budget: the mean over the seeds and a band from the smallest to the largest.

    `curves` holds, for each arm, shares (seeds, B) or (B,) within [0, 1] at `budgets` (B,), ascending and positive,
    on a logarithmic axis with `ticks` (B,) written below; `clean`, for each arm, the accuracy without an attack
    (seeds,), drawn at the left end.
    """
    x = _budgets(budgets, ticks)
    figure, ((axes,),) = panels(6.4, 3.8)
    for arm, given, line in each_arm(curves, "curves", colours):
        held = shares(given, f"curves[{arm!r}]", len(x))
        axes.plot(x, 100 * held.mean(0), marker="o", markersize=3.5, label=f"{arm} (n = {len(held)})", **line)
        axes.fill_between(x, 100 * held.min(0), 100 * held.max(0), color=line["color"], alpha=0.15, linewidth=0)
        if clean is not None:
            before = finite(clean[arm], f"clean[{arm!r}]", None)
            axes.plot(_left(x), 100 * before.mean(), marker="D", color=line["color"], clip_on=False)
    _budget_axis(axes, x, ticks, xlabel, clean is not None)
    axes.set_ylabel("accuracy (%)")
    axes.set_ylim(0, None)
    legend_above(figure, axes, "mean over the seeds; band: smallest to largest seed")
    return figure


@styled()
def accuracy_differences(
    means: Mapping[str, Numbers],
    intervals: Mapping[str, tuple[Numbers, Numbers] | None],
    budgets: Numbers,
    ticks: Sequence[str],
    xlabel: str,
    baseline: str,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Robust accuracy minus the baseline's, in percentage points, at each budget, with intervals.

    `means` holds, for each arm, differences in points (B,); `intervals` their lower and upper ends (B,) each, or
    None for none. Where an interval leaves out zero, the arms differ.
    """
    x = _budgets(budgets, ticks)
    figure, ((axes,),) = panels(6.4, 3.4)
    axes.axhline(0, color=GREY, linewidth=0.8)
    for number, (arm, given, line) in enumerate(each_arm(means, "means", colours)):
        middle = finite(given, f"means[{arm!r}]", len(x))
        ends = intervals.get(arm)
        place = x * (1 + 0.04 * (number - (len(means) - 1) / 2))  # beside each other, not on top
        error: Any = None
        if ends is not None:
            low, high = (finite(end, f"intervals[{arm!r}]", len(x)) for end in ends)
            error = np.maximum([middle - low, high - middle], 0)
        axes.errorbar(place, middle, yerr=error, fmt="o-", markersize=4, capsize=3, label=arm, color=line["color"])
    _budget_axis(axes, x, ticks, xlabel, False)
    axes.set_ylabel(f"points above {baseline}")
    legend_above(figure, axes, "mean over the seeds" + ("; 95 % paired interval" if any(intervals.values()) else ""))
    return figure


@styled()
def distance_distributions(
    distances: Mapping[str, Numbers], xlabel: str, colours: Mapping[str, str] | None = None
) -> Figure:
    """The share of images misclassified after a change of limited size, against that size: one curve per arm.

    `distances` holds, for each arm, the smallest changes (N,), positive, infinite where none was found.
    """
    figure, ((axes,),) = panels(6.4, 3.6)
    for arm, given, line in each_arm(distances, "distances", colours):
        plain: Any = given
        array = np.sort(np.asarray(plain, dtype=np.float64).ravel())
        if not len(array) or np.isnan(array).any() or array[0] < 0:
            raise InputError(f"distances[{arm!r}]={array.tolist()!r:.60}; allowed: one or more numbers, 0 or above")
        found = array[np.isfinite(array)]
        axes.step(found, 100 * np.arange(1, len(found) + 1) / len(array), where="post", label=arm, **line)
    axes.set(xlabel=xlabel, ylabel="misclassified images (%)", ylim=(0, 101))
    axes.set_xlim(left=0)
    axes.grid(axis="y")
    legend_above(figure, axes, "all seeds together")
    return figure


@styled()
def perturbation_spectra(powers: Mapping[str, Numbers], colours: Mapping[str, str] | None = None) -> Figure:
    """Where in frequency the perturbations of an attack have their energy: shares by distance from zero frequency.

    `powers` holds, for each arm, mean power spectra (H, W) or (seeds, H, W), zero frequency first. Drawn is the share
    of the energy in rings 1/32 cycles/pixel wide, mean and range over the seeds.
    """
    figure, ((axes,),) = panels(6.4, 3.4)
    edges = np.arange(0, 0.5 * np.sqrt(2) + 1 / 32, 1 / 32)
    middles = (edges[1:] + edges[:-1]) / 2
    for arm, given, line in each_arm(powers, "powers", colours):
        plain: Any = given
        array = np.asarray(plain, dtype=np.float64)
        array = finite(array[None] if array.ndim == 2 else array, f"powers[{arm!r}]", None, None, None)
        rows, columns = (np.fft.fftfreq(n) for n in array.shape[1:])
        radius = np.hypot(rows[:, None], columns[None])
        rings = np.stack([np.histogram(radius, edges, weights=one)[0] / max(one.sum(), 1e-30) for one in array])
        axes.plot(middles, 100 * rings.mean(0), label=f"{arm} (n = {len(array)})", **line)
        axes.fill_between(middles, 100 * rings.min(0), 100 * rings.max(0), color=line["color"], alpha=0.15, linewidth=0)
    axes.set(xlabel="spatial frequency (cycles/pixel)", ylabel="share of the energy (%)")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.grid(axis="y")
    legend_above(figure, axes, "mean over the seeds; band: smallest to largest seed")
    return figure


@styled()
def adversarial_gallery(
    rows: Sequence[tuple[str, Numbers, Numbers]], titles: Sequence[Sequence[str]], scale: float
) -> Figure:
    """Images, their perturbation and its spectrum, one row per arm.

    `rows` holds, for each arm, its name, adversarial images (E, C, H, W) and what was added to each (E, C, H, W), both
    with C of 1 or 3; `titles` a line for each image of each row. A perturbation is drawn around grey, +-`scale` from
    black to white; its spectrum as the logarithm of the power summed over colours, zero frequency in the middle.
    """
    count = np.shape(nonempty(rows, "rows")[0][1])[0]
    figure, grid = panels(1.15 * 3 * count + 0.4, 1.5 * len(rows) + 0.3, len(rows), 3 * count)
    for row, ((name, images, added), words) in enumerate(zip(rows, titles, strict=True)):
        pictures = finite(images, f"images of {name}", count, None, None, None)
        changes = finite(added, f"perturbations of {name}", *pictures.shape)
        for i in range(count):
            first, second, third = grid[row, 3 * i : 3 * i + 3]
            _picture(first, pictures[i])
            _picture(second, 0.5 + changes[i] / (2 * scale))
            power = np.abs(np.fft.fft2(changes[i])).__pow__(2).sum(0)
            third.imshow(np.fft.fftshift(np.log10(power + 1e-9 * power.max() + 1e-30)), cmap="magma")
            first.set_title(words[i], fontsize=SMALLEST - 1, loc="left")
        grid[row, 0].set_ylabel(name, fontsize=SMALLEST)
    for axes in grid.ravel().tolist():
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure


def _picture(axes: Axes, image: Array) -> None:
    shown = np.clip(np.moveaxis(image, 0, -1), 0, 1)
    grey: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 1} if shown.shape[2] == 1 else {}
    axes.imshow(shown[..., 0] if grey else shown, interpolation="nearest", **grey)


def _budgets(budgets: Numbers, ticks: Sequence[str]) -> Array:
    x = finite(budgets, "budgets", len(ticks))
    if x[0] <= 0 or np.any(np.diff(x) <= 0):
        raise InputError(f"budgets={x.tolist()!r:.60}; allowed: positive, increasing numbers")
    return x


def _left(x: Array) -> float:
    """Where the accuracy without an attack is drawn."""
    return float(x[0] / (2 if len(x) == 1 else max(1.3, (x[1] / x[0]))))


def _budget_axis(axes: Axes, x: Array, ticks: Sequence[str], xlabel: str, with_clean: bool) -> None:
    axes.set_xscale("log")
    places, words = ([_left(x), *x], ["none", *ticks]) if with_clean else (list(x), list(ticks))
    axes.set_xticks(places, words)
    axes.set_xticks([], minor=True)
    axes.set_xlabel(xlabel)
    axes.grid(axis="y")
