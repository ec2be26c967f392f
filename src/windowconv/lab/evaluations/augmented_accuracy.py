"""Accuracy with test-time augmentation."""

from __future__ import annotations

from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Evaluation, Measurement, Metric
from windowconv.lab.training.augmented_network import AugmentedNetwork
from windowconv.lab.training.evaluate import TEST_AUGMENTED, evaluate


class AugmentedAccuracy(Evaluation):
    """The share of test images that are classified right by mean outputs, see `AugmentedNetwork`; a training with
    `--test-augment` records it at its end."""

    name = TEST_AUGMENTED
    metrics = (Metric("accuracy-tta", "test accuracy, augmented (%)", "accuracy"),)

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        device = execution.device
        model = AugmentedNetwork(network.on(device)).eval()
        found = evaluate(model, images, device, workers=execution.workers)
        each = {"predictions": found.predictions, "correct": found.correct, "losses": found.losses}
        return Measurement(found.metrics(), each)
