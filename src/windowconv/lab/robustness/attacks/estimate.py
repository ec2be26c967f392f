"""How long a suite will take, from what the networks take now for an image."""

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
"""The toolbox's own work, which takes about so much beside the network's."""


def seconds_an_image(target: Target, sample: Sample, repeats: int = 5) -> tuple[float, float]:
    """What a forward pass, and a forward and backward pass, take for an image: the best of some tries after one."""
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
    """Seconds for a run, from the seconds of a forward and of a forward and backward pass of an image."""
    passes = [trial.cost(classes) for trial in trials]
    return MARGIN * sum(f * forward + g * gradient for f, g in passes)
