"""The kernels of a network's first layer, and of those that leak most and least."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from windowconv import plots
from windowconv.convolving import convolving_layers
from windowconv.inspection.measure import Inspection
from windowconv.report import Figure, Text
from windowconv.spectra.curve import leakage_curve
from windowconv.spectra.filters import filters_of, sampled
from windowconv.spectra.network import PAIRS, common_grid
from windowconv.windowed import WindowedMixin

SHOWN = {1: 5, 2: 16}
"""Kernels of a layer that are shown, by the number of their axes; others cannot be drawn."""


def galleries(inspection: Inspection) -> list[Any]:
    """A figure for each of three layers; a line instead where kernels have three axes."""
    alive = {la.name: la for la in inspection.leakage.layers if la.pair_curve is not None}
    held = {name: layer for name, layer in alive.items() if len(layer.kernel) in SHOWN}
    if not held:
        return [Text("Kernels of three axes are not drawn.")] if alive else []
    at = inspection.leakage.radii.index(1 / 4)
    ordered = sorted(held.values(), key=lambda la: la.pair_curve[at] if la.pair_curve else 0.0)
    wanted = {next(iter(held)): "first", ordered[-1].name: "highest leakage", ordered[0].name: "lowest leakage"}
    return [_gallery(inspection, name, why, len(held[name].kernel)) for name, why in wanted.items()]


def _gallery(inspection: Inspection, name: str, why: str, axes: int) -> Figure:
    layer: Any = convolving_layers(inspection.subject.model)[0][name]
    kernels, leaks, of = _spaced(sampled(filters_of(name, layer), PAIRS)[:, 0], SHOWN[axes])
    rate = inspection.rate_of(name)
    if axes == 1:
        drawn = plots.kernel_responses(kernels, [f"L = {value:.3f}" for value in leaks.tolist()], rate)
        below = "frequency response"
    else:
        drawn = plots.kernel_gallery(kernels, leaks)
        below = "response, with zero frequency in the middle"
    window = layer.window if isinstance(layer, WindowedMixin) else "no window"
    caption = (
        f"{inspection.subject.name}, layer {name or 'the model'} ({why}; {window}): {len(kernels)} of {of:,} kernels, "
        f"spaced evenly from lowest to highest leakage beyond 1/4 {inspection.unit}. Below each: its {below}."
    )
    return Figure(plots.svg(drawn), caption, f"Kernels of {name} sorted by leakage")


def _spaced(kernels: Tensor, count: int) -> tuple[Tensor, Tensor, int]:
    """At most `count` kernels, evenly spaced by what they leak; their leakage; and of how many they are."""
    leaks = leakage_curve(kernels[:, None], [1 / 4], common_grid([kernels[:, None]])).leakage[:, 0]
    kernels, leaks = kernels[leaks.isfinite()], leaks[leaks.isfinite()]
    order = leaks.argsort()
    chosen = order[torch.linspace(0, len(order) - 1, min(count, len(order))).round().long()]
    return kernels[chosen], leaks[chosen], len(order)
