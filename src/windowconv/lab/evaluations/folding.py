"""Energy that folds where a network subsamples."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypedDict

from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Evaluation, Measurement, Metric
from windowconv.lab.training.loading import example_images
from windowconv.spectra.subsampling import aliasing


class AliasingValues(TypedDict):
    """The mean over layers, and each layer's share."""

    folded: float
    layers: dict[str, float]
    images: int


class Aliasing(Evaluation):
    """The share of energy above the new Nyquist frequency at strided and pooled layers, on test images.

    Each channel's mean is left out; the mean over images, then over layers. Source: `spectra.aliasing`.
    """

    name = "aliasing"
    metrics = (Metric("folded-energy", "energy that folds (%)", "folded", more_is_better=False),)
    types = (AliasingValues,)
    settings = MappingProxyType({"images": 500})

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        found = aliasing(network.on(execution.device), example_images(images, self.settings["images"]))
        layers = {layer.name: layer.folded for layer in found.layers if layer.folded == layer.folded}
        mean = sum(layers.values()) / len(layers) if layers else 0.0  # constant maps have nothing that could fold
        return Measurement({"folded": mean, "layers": layers, "images": self.settings["images"]})

    def note(self, values: Mapping[str, Any]) -> str:
        return (
            "Energy that folds is the share of a map's energy, without its mean, above the new Nyquist frequency of a "
            f"strided or pooled layer, mean over layers ({values['images']:,} test images)."
        )
