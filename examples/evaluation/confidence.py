"""An evaluation of your own: how sure networks are of the class that they give."""

import torch

from windowconv.lab.evaluations import Evaluation, Measurement, Metric
from windowconv.lab.training.loading import example_images


class Confidence(Evaluation):
    name = "confidence"
    metrics = (Metric("confidence", "mean confidence (%)", key="mean"),)

    def measure(self, network, images, execution):
        pixels = example_images(images, 500).to(execution.device)
        with torch.inference_mode():
            confidence = network.on(execution.device)(pixels).softmax(1).amax(1)
        return Measurement({"mean": confidence.mean().item()})
