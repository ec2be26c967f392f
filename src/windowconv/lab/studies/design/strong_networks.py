"""The studies that decide, on networks that classify CIFAR-10 with more than 91 %.

Everything that a verdict depends on stands here and is committed before the first run of a study: claim, contrasts, the
smallest effect of interest, seeds, and how settings are tuned. A change after that makes the study exploratory.

windowconv study window-cifar10 --scale strong --processes 1 --export results/studies/window-cifar10-strong
windowconv study window-cifar100 --scale strong --processes 1 --export results/studies/window-cifar100-strong
"""

from __future__ import annotations

from windowconv.lab.studies.design.design import Design, arms, minus
from windowconv.lab.studies.design.tuning import Tuning

ARMS = ("3x3", "5x5", "7x7", "7x7-hamming", "7x7-hamming-params")
HELD_OUT = 5_000
"""Training images on which settings are tuned."""
TRAINING_IMAGES = {"cifar10": 50_000, "cifar100": 50_000, "fashion-mnist": 60_000}
TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "fashion-mnist": "Fashion-MNIST"}
LEAST = {"cifar10": 91.0}
"""Test accuracy (%) that 3x3 must reach for a study to count."""

MEASURES = ("test-augment", "leakage", "shift", "kernels", "aliasing", "cropping", "attacks")
"""Of each run as it ends, so that no weights need be kept."""


def _window(data: str, seeds: int, *more: str) -> Design:
    """Whether a Hamming window helps 7x7 kernels: against what they are without it, and against what is cheaper."""
    return Design(
        name=f"window-{data}",
        claim=f"A Hamming window makes 7x7 kernels worth having on {TITLES[data]}: they classify better than plain "
        "7x7, better than plain 5x5, and, with as many parameters, better than 3x3.",
        recipe=data,
        variants=arms(*ARMS, *more),
        primary=minus("7x7-hamming", "7x7"),
        co_primary=(minus("7x7-hamming", "5x5"), minus("7x7-hamming-params", "3x3")),
        secondary=(
            minus("7x7-hamming", "3x3"),
            minus("7x7", "3x3"),
            minus("5x5", "3x3"),
            minus("7x7-hamming", "3x3", "leakage"),
            minus("7x7-hamming", "7x7", "leakage"),
        ),
        equivalent=(minus("7x7-hamming", "5x5"),),
        smallest=0.3,
        measures=MEASURES,
        seeds=seeds,
        least=LEAST,
        tuning=Tuning((("lr", (0.5, 1.0, 2.0)),), HELD_OUT / TRAINING_IMAGES[data]),
    )


DESIGNS = (_window("cifar10", 10), _window("cifar100", 8), _window("fashion-mnist", 8))
