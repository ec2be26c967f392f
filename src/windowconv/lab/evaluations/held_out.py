"""Accuracy on the images that a run held out of its training set, which training itself records."""

from __future__ import annotations

from windowconv.errors import InputError
from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Evaluation, Measurement, Metric


class HeldOut(Evaluation):
    """The share of held-out training images that are classified right: what choices are made by, before any test."""

    name = "held-out"
    metrics = (Metric("held-out-accuracy", "accuracy on held-out images (%)", "accuracy"),)
    needs_images = False

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        found = network.run.final().get("val_accuracy")
        if found is None:
            raise InputError(f"{network.run.folder.name} held out no images; allowed: runs with val-fraction above 0")
        return Measurement({"accuracy": found})
