"""Consistency of a network's answers under shifts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypedDict

from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Evaluation, Measurement, Metric
from windowconv.lab.training.loading import example_images
from windowconv.spectra.shift import shift_consistency


class ShiftValues(TypedDict):
    """As `spectra.shift_consistency` gives them."""

    share: float
    low: float
    high: float
    pairs: int
    images: int
    max_shift: int


class ShiftConsistency(Evaluation):
    """How often two shifts of a test image are given one class. Source: `spectra.shift_consistency`."""

    name = "shift"
    metrics = (Metric("shift-consistency", "shift consistency (%)", "share"),)
    types = (ShiftValues,)
    settings = MappingProxyType({"images": 2_000})

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        found = shift_consistency(network.on(execution.device), example_images(images, self.settings["images"]))
        kept = ("share", "low", "high", "pairs", "images", "max_shift")
        return Measurement({name: getattr(found, name) for name in kept})

    def note(self, values: Mapping[str, Any]) -> str:
        return (
            f"Shift consistency is the share of pairs of shifts, by up to {values['max_shift']} pixels, that are given "
            f"one class ({values['pairs']:,} pairs of {values['images']:,} test images)."
        )
