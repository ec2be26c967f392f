"""How long a suite will take, from the networks' present speed."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch.nn import functional as F

from windowconv.lab.robustness.attacks.suites import Trial
from windowconv.lab.robustness.attacks.target import Target
from windowconv.lab.robustness.sample import Sample

IMAGES = 50
MARGIN = 1.3
"""Total time over the network's: the toolbox has work of its own."""


def seconds_an_image(target: Target, sample: Sample, repeats: int = 5) -> tuple[float, float]:
    """The seconds that an image takes, forward, and forward and backward: the best of `repeats` after a warm-up."""
    images, labels = sample.images[:IMAGES].to(target.device), sample.labels[:IMAGES].to(target.device)
    forward, gradient = [], []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        target.predict(images)
        forward.append(time.perf_counter() - began)
        began = time.perf_counter()
        moved = images.clone().requires_grad_()
        torch.autograd.grad(F.cross_entropy(target.logits(moved), labels), moved)
        if target.device.type == "cuda":
            torch.cuda.synchronize(target.device)
        gradient.append(time.perf_counter() - began)
    return min(forward[1:]) / len(images), min(gradient[1:]) / len(images)


def estimate(trials: Sequence[Trial], classes: int, forward: float, gradient: float) -> float:
    """The seconds that trials take on a run.

    Args:
        trials: the attacks.
        classes: of the network.
        forward: seconds of an image's forward pass.
        gradient: seconds of its forward and backward pass.
    """
    passes = [trial.cost(classes) for trial in trials]
    return MARGIN * sum(f * forward + g * gradient for f, g in passes)
