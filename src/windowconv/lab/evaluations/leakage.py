"""Spectral leakage of a network's trained kernels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

import numpy as np

from windowconv import plots
from windowconv.errors import InputError
from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Colours, Evaluation, Measurement, Metric, Runs
from windowconv.lab.schema import exactly
from windowconv.report import Figure, Section
from windowconv.spectra.curve import RADII
from windowconv.spectra.network import leakage

LeakageCurve = Annotated[list[float], exactly(len(RADII))]


class LeakageValues(TypedDict):
    """Means over the layers, and each layer's L(1/8) and L(1/4)."""

    radii: LeakageCurve
    curve: LeakageCurve
    layers: dict[str, tuple[float, float]]


class Leakage(Evaluation):
    """L(r), the share of a single kernel's spectral energy farther than r cycles/pixel from its peaks.

    The mean over a layer's kernels, then over the layers that are not dead throughout. Source: `spectra.leakage`.
    """

    name = "leakage"
    metrics = (
        Metric("leakage", "leakage L(1/4) (%)", "1/4", more_is_better=False),
        Metric("leakage-near", "leakage L(1/8) (%)", "1/8", more_is_better=False),
    )

    types = (LeakageValues,)
    needs_images = False

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        layers = [layer for layer in leakage(network.on("cpu")).layers if layer.pair_curve is not None]
        if not layers:
            raise InputError("all filters are dead; there is no leakage to measure")
        near, far = RADII.index(1 / 8), RADII.index(1 / 4)
        curves = np.array([layer.pair_curve for layer in layers])  # (layers, radii)
        mean = curves.mean(0).tolist()
        by_layer = {
            layer.name: [float(curve[near]), float(curve[far])] for layer, curve in zip(layers, curves, strict=True)
        }
        return Measurement(
            {"1/8": mean[near], "1/4": mean[far], "radii": list(RADII), "curve": mean, "layers": by_layer}
        )

    def sections(self, runs: Runs, colours: Colours = None, images: Images | None = None) -> list[Section]:
        found = {name: [self.values(run) or {} for run in held] for name, held in runs.items()}
        curves = {name: np.array([values["curve"] for values in held]) for name, held in found.items()}
        drawn = plots.leakage_curves(curves, next(iter(found.values()))[0]["radii"], colours=colours)
        caption = (
            "Share of a single kernel's spectral energy farther than r from its peaks: the mean over kernels, then "
            "over layers; bands span the seeds. A window widens the band around the peak, so it leaks more at small r "
            "and less at large r."
        )
        alt = "Leakage against radius for each variant"
        return [Section("Spectral leakage", [Figure(plots.svg(drawn), caption, alt)])]

    def note(self, values: Mapping[str, Any]) -> str:
        return "L(r) is the share of a single kernel's spectral energy farther than r cycles/pixel from its peaks."
