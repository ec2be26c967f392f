"""A strong regime: CIFAR-10 to 94 % in ten epochs, and its settings on CIFAR-100 and Fashion-MNIST.

    windowconv train --recipe cifar10-strong --arm 7x7-hamming --seed 0
    windowconv train --recipe cifar10-strong-wide --arm 3x3

Settings of K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024, with batches of half the size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from windowconv.lab.config import Training
from windowconv.lab.recipes.recipe import Recipe

BATCH = 512
MOMENTUM = 0.85
SCALE = 1024 * (1 + 1 / (1 - MOMENTUM))
"""By which the published rates are divided: of 1,024 images, and of Nesterov's momentum."""

WIDE = Training(
    network="airbench",
    width=64,
    augment="flip-shift",
    epochs=10,
    batch_size=BATCH,
    loss="sum",
    lr=11.5 / SCALE,
    bias_lr=64.0,
    momentum=MOMENTUM,
    nesterov=True,
    weight_decay=0.0153 * BATCH / SCALE,
    decoupled_decay=True,
    schedule="triangular",
    label_smoothing=0.2,
    lookahead=0.95,
    stem_epochs=3,
    test_augment=True,
    evaluate_every=5,
    algorithm="auto",
    channels_last=True,
)

NARROW: dict[str, Any] = {"width": 32, "epochs": 12, "start_size": 24, "start_share": 0.4}
"""For two cores: half the width, and two epochs more for about the same time, since the first ones see small images."""

SMOKE: dict[str, Any] = {"width": 4, "epochs": 2, "batch_size": 32, "train_images": 400, "test_images": 200}

ARMS = ("3x3", "5x5", "7x7", "7x7-hamming")


def _recipes() -> list[Recipe]:
    found = []
    for data, title in (("fashion-mnist", "Fashion-MNIST"), ("cifar10", "CIFAR-10"), ("cifar100", "CIFAR-100")):
        about = f"{title}, the airbench network"
        narrow = Recipe(f"{data}-strong", f"{about} at half its width", data, replace(WIDE, **NARROW), ARMS)
        found += [
            narrow,
            narrow.but("wide", f"{about} as published", width=64, epochs=10, start_size=None, start_share=0.5),
            narrow.but("smoke", f"{about} in seconds, to see that it runs", **SMOKE, start_size=None),
        ]
    return found


RECIPES = _recipes()
