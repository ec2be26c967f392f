"""Many kernels at once, in the order of what they leak, and how layers and networks compare."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from windowconv.errors import InputError

from .checks import Numbers, finite, nonempty, shares
from .colours import COLOURS, arm_colours
from .filters import show_response
from .style import GREY, SMALLEST, legend_above, panels, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled()
def kernel_gallery(kernels: Numbers, leakage: Numbers, columns: int = 8, title: str | None = None) -> Figure:
    """Kernels with their frequency responses, from lowest to highest leakage.

    `kernels` (n, kh, kw) are single kernels and `leakage` (n,) what each leaks, a share within [0, 1], written
    below it. Each kernel has its own symmetric colour scale, white at zero, since only its shape counts here. Below
    it is |its Fourier transform| in dB of its peak, from -1/2 to 1/2 cycles/pixel on both axes. An `InputError`
    names what is not finite or of another shape.
    """
    images = finite(kernels, "kernels", None, None, None)
    values = shares(leakage, "leakage", len(images))[0]
    if columns < 1:
        raise InputError(f"columns={columns}; allowed: 1 or more")
    order = np.argsort(values, kind="stable")
    rows = -(-len(order) // columns)
    across = min(columns, len(order))
    figure, grid = panels(0.98 * across + 0.9, 2.05 * rows + 0.5, 2 * rows, across)
    response: Any = None
    for axes in grid.ravel().tolist():
        axes.set_axis_off()
    for place, i in enumerate(order):
        row, column = divmod(place, columns)
        above, below = grid[2 * row, column], grid[2 * row + 1, column]
        largest = np.abs(images[i]).max() or 1.0
        above.imshow(images[i], cmap="RdBu_r", vmin=-largest, vmax=largest)
        response = show_response(below, images[i])
        below.set_title(f"L = {values[i]:.3f}", fontsize=SMALLEST, y=-0.28, color=GREY)
    figure.colorbar(response, ax=grid.ravel().tolist(), label="response (dB of own peak)", shrink=0.6, aspect=25)
    figure.suptitle(title or "")
    return figure


@styled()
def leakage_by_depth(
    networks: Mapping[str, Numbers],
    r: float = 0.25,
    colours: Mapping[str, str] | None = None,
    unit: str = "cycles/pixel",
) -> Figure:
    """Leakage of each layer against its relative depth, for networks of any number of layers.

    `networks` holds, for each name, the share of energy farther than `r`, in `unit`, (layers,) within [0, 1], in
    the networks' order; the first layer is at depth 0, the last at 1, and a single one at 0.
    """
    palette = arm_colours(nonempty(networks, "networks")) | dict(colours or {})
    figure, ((axes,),) = panels(6.4, 3.6)
    markers = "osD^vP*X"
    for number, (name, given) in enumerate(networks.items()):
        values = shares(given, f"networks[{name!r}]", np.size(given))[0]
        depth = np.linspace(0, 1, len(values)) if len(values) > 1 else np.zeros(1)
        marker = markers[number % len(markers)]
        label = f"{name} ({len(values)} layers)"
        axes.plot(depth, values, marker=marker, markersize=4, color=palette[name], label=label)
    axes.set(xlabel="relative depth (0: first layer, 1: last)", xlim=(-0.03, 1.03))
    axes.set_ylim(0, 1.06 * axes.dataLim.y1)
    axes.set_ylabel(f"share of energy farther than r\n(r = {r:g} {unit})")
    axes.grid(axis="y")
    legend_above(figure, axes, "")
    return figure


@styled()
def leakage_by_epoch(
    layers: Mapping[str, tuple[Numbers, Numbers]], r: float = 0.25, colours: Mapping[str, str] | None = None
) -> Figure:
    """Leakage of each layer during training: one line per layer, from early (dark) to late.

    `layers` holds, for each layer in the network's order, epochs (E,) and shares of energy farther than `r`
    cycles/pixel (E,) within [0, 1], as `LeakageRecorder.by_layer` gives them.
    """
    from matplotlib import colormaps

    shades = colormaps["viridis"](np.linspace(0, 0.9, len(nonempty(layers, "layers"))))
    figure, ((axes,),) = panels(6.4, 3.8)
    for (name, (epochs, values)), shade in zip(layers.items(), shades, strict=True):
        steps = finite(epochs, f"layers[{name!r}] epochs", None)
        held = shares(values, f"layers[{name!r}]", len(steps))[0]
        axes.plot(steps, held, color=(colours or {}).get(name, shade), marker="o", markersize=3, label=name)
    axes.set(xlabel="epoch (0: before training)")
    axes.set_ylabel(f"share of energy farther than r\n(r = {r:g} cycles/pixel)")
    axes.set_ylim(0, 1.06 * axes.dataLim.y1)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y")
    legend_above(figure, axes, "layers")
    return figure


@styled()
def curves_by_size(
    curves: Mapping[str, Numbers],
    radii: Numbers,
    noise: Mapping[str, Numbers] | None = None,
    colours: Mapping[str, str] | None = None,
    unit: str = "cycles/pixel",
) -> Figure:
    """The leakage curve of each group of layers (by kernel size, say), thin lines for layers, thick for their mean.

    `curves` holds, for each label, shares (layers, R) or (R,) within [0, 1] at `radii` (R,) in `unit`;
    `noise`, for some of the labels, the curve (R,) of kernels of random numbers of that size, drawn dotted: what
    lies below it, training or a window has achieved.
    """
    r = finite(radii, "radii", None)
    palette = dict(zip(curves, cycle(COLOURS), strict=False))
    if len(nonempty(curves, "curves")) <= len(COLOURS):
        palette = arm_colours(curves) | dict(colours or {})
    figure, ((axes,),) = panels(6.4, 3.8)
    for label, given in curves.items():
        colour = palette[label]
        layers = shares(given, f"curves[{label!r}]", len(r))
        for layer in layers[:60] if len(layers) > 1 else ():
            axes.plot(r, layer, color=colour, linewidth=0.6, alpha=0.35)
        axes.plot(r, layers.mean(0), color=colour, linewidth=2.2, label=f"{label} ({len(layers)})")
        if noise is not None and label in noise:
            axes.plot(r, shares(noise[label], f"noise[{label!r}]", len(r))[0], color=colour, linestyle=":")
    axes.set(xlabel=f"r ({unit})", ylabel="share of energy farther than r", ylim=(0, 1.02))
    axes.margins(x=0.01)
    axes.grid(axis="y")
    for at in (1 / 8, 1 / 4):
        axes.axvline(at, color=GREY, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0.5)
    key = "thick: mean of the layers; thin: each layer" + ("; dotted: random kernels" if noise else "")
    legend_above(figure, axes, key)
    return figure
