"""Accuracy on the test images, which training itself records at its end."""

from __future__ import annotations

from typing import TypedDict

from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Evaluation, Measurement, Metric
from windowconv.lab.runs.schemas import Positive
from windowconv.lab.training.evaluate import evaluate


class AccuracyValues(TypedDict):
    """As `Predictions.metrics` gives them."""

    n: Positive
    accuracy: float
    correct: int
    loss: float


class Accuracy(Evaluation):
    """The share of test images that are classified right, each counted once."""

    name = "test"
    metrics = (Metric("accuracy", "test accuracy (%)", "accuracy"),)
    types = (AccuracyValues,)

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        device = execution.device
        found = evaluate(network.on(device), images, device, workers=execution.workers)
        each = {"predictions": found.predictions, "correct": found.correct, "losses": found.losses}
        return Measurement(found.metrics(), each)
