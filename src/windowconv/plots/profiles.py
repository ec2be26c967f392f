"""The envelope of kernels beside a window, and accuracy against what is left of the kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from windowconv.errors import InputError

from .arms import each_arm
from .checks import Array, Numbers, finite, nonempty
from .colours import arm_colours
from .style import legend_above, panels, plain_decades, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST_SHARE = 1e-5  # of the largest tap: what is smaller is drawn there


@styled()
def kernel_profiles(
    profiles: Mapping[str, Numbers],
    windows: Mapping[str, Numbers] | None = None,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """The root mean square of kernels against the distance from their middle, relative to the largest tap.

    `profiles` holds, for each name, (kh, kw) as `rms_profile` gives it; `windows`, for some of the names, the
    window of that shape, drawn dashed, and its square, dotted. Taps at one distance are averaged in energy. The scale
    is logarithmic, on which a power of the window is a multiple of its curve.
    """
    palette = arm_colours(nonempty(profiles, "profiles")) | dict(colours or {})
    figure, ((axes,),) = panels(6.4, 3.8)
    for name, given in profiles.items():
        colour = palette[name]
        distance, values = _by_distance(given, f"profiles[{name!r}]")
        axes.plot(distance, values, marker="o", markersize=4, color=colour, linewidth=2, label=name)
        if windows is not None and name in windows:
            distance, window = _by_distance(windows[name], f"windows[{name!r}]")
            axes.plot(distance, window, color=palette[name], linestyle="--", linewidth=1.2)
            axes.plot(
                distance, np.maximum(window**2, SMALLEST_SHARE), color=palette[name], linestyle=":", linewidth=1.6
            )
    axes.set(xlabel="distance from the kernel's middle (pixels)", ylabel="RMS of the taps, relative", yscale="log")
    plain_decades(axes)
    axes.grid(axis="y")
    legend_above(figure, axes, "dashed: the window; dotted: its square" if windows else "")
    return figure


@styled()
def accuracy_by_kernel_size(
    accuracies: Mapping[str, Sequence[Mapping[int, float]]], colours: Mapping[str, str] | None = None
) -> Figure:
    """Accuracy after cropping kernels, against the side of what is left: a thin line a seed, a thick one their mean.

    `accuracies` holds, for each arm, one mapping per seed from a side in taps to an accuracy in percent; all seeds of
    an arm have the same sides.
    """
    figure, ((axes,),) = panels(6.4, 3.6)
    for arm, seeds, line in each_arm(accuracies, "accuracies", colours):
        name = f"accuracies[{arm!r}]"
        sides = sorted(nonempty(seeds, name)[0])
        if any(sorted(seed) != sides for seed in seeds):
            raise InputError(f"{name} has seeds of different sides; allowed: the same sides, here {sides}")
        values = finite([[seed[side] for side in sides] for seed in seeds], name, len(seeds), len(sides))
        for seed in values if len(values) > 1 else ():
            axes.plot(sides, seed, color=line["color"], linewidth=0.7, alpha=0.45)
        label = f"{arm} (n = {len(values)})"
        axes.plot(sides, values.mean(0), marker="o", markersize=4, linewidth=2, color=line["color"], label=label)
    axes.set(xlabel="side of the central taps that are kept (taps)", ylabel="accuracy (%)")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y")
    legend_above(figure, axes, "thick: mean over the seeds; thin: each seed")
    return figure


def _by_distance(given: Numbers, name: str) -> tuple[Array, Array]:
    """Distances from the middle, ascending, and the root mean square at each, relative to the largest."""
    values = finite(given, name, None, None)
    if values.min() < 0 or values.max() == 0:
        raise InputError(f"{name} within {values.min():g} and {values.max():g}; allowed: 0 or above, not all 0")
    places = np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in values.shape], indexing="ij")
    square, ring = np.unique(sum(np.square(place) for place in places), return_inverse=True)
    mean = np.bincount(ring.ravel(), np.square(values).ravel()) / np.bincount(ring.ravel())
    return np.sqrt(square), np.maximum(np.sqrt(mean / mean.max()), SMALLEST_SHARE)
