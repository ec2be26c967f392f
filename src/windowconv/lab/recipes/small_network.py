"""The paper's small network on images of 28 and 32 pixels: Fashion-MNIST, CIFAR-10, CIFAR-100.

windowconv compare --recipe cifar100-paper --seeds 3
windowconv train --recipe cifar10-small --arm 7x7-hamming --seed 0
windowconv compare --recipe fashion-mnist-smoke
"""

from __future__ import annotations

from windowconv.lab.config import Training
from windowconv.lab.recipes.recipe import Recipe

PAPER = Training(
    network="small",
    depth=6,
    width=128,
    augment="flip-crop",
    epochs=150,
    batch_size=32,
    lr=0.01,
    momentum=0.9,
    weight_decay=1e-3,
    schedule="steps",
    milestones=(0.5, 0.8),  # epochs 75 and 120
    lr_factor=0.1,
    algorithm="direct",
    channels_last=False,
)
"""Tomen & van Gemert's settings for CIFAR-100; their other data sets differ in classes and channels."""

SMALL = {"depth": 4, "width": 16, "batch_size": 64, "lr": 0.1, "algorithm": "auto", "channels_last": True}
"""What evidence is gathered with on two cores: the same code, narrower, shorter, at a rate that suits it."""

SMOKE = {
    "depth": 2,
    "width": 4,
    "epochs": 2,
    "batch_size": 32,
    "lr": 0.1,
    "train_images": 400,
    "test_images": 200,
    "algorithm": "auto",
    "channels_last": True,
}
"""Seconds: does it run to the end?"""

MODERN = {
    "epochs": 60,
    "batch_size": 256,
    "lr": 0.2,
    "schedule": "one-cycle",
    "nesterov": True,
    "weight_decay": 5e-4,
    "decay": "weights",
    "label_smoothing": 0.1,
    "ema": 0.995,
    "precision": "bf16",
    "algorithm": "auto",
    "channels_last": True,
}
"""Today's training: one cycle, Nesterov, larger batches, decay of the weights only, label smoothing, an average of
the weights, bfloat16."""


def _recipes() -> list[Recipe]:
    found = []
    for data, title in (("fashion-mnist", "Fashion-MNIST"), ("cifar10", "CIFAR-10"), ("cifar100", "CIFAR-100")):
        paper = Recipe(f"{data}-paper", f"{title}, the paper's small network and settings", data, PAPER)
        small = {**SMALL, **SIZES[data]}
        modern = paper.but("modern", f"{title}, the same network under today's training", **MODERN)
        reduced = {key: small[key] for key in ("depth", "width", "epochs", "augment") if key in small}
        found += [
            paper,
            paper.but("small", f"{title} in a minute or two a run on two cores", seeds=3, **small),
            paper.but("smoke", f"{title} in seconds, to see that it runs", **SMOKE),
            modern,
            modern.but("small", f"{title} under today's training, in minutes", **{**reduced, "batch_size": 128}),
            modern.but("smoke", f"{title} under today's training, in seconds", **{**SMOKE, "precision": "bf16"}),
        ]
    return found


SIZES = {
    "fashion-mnist": {"epochs": 5, "augment": "none"},
    "cifar10": {"epochs": 6, "width": 20},
    "cifar100": {"epochs": 6, "width": 20},
}
"""Of the small recipes: measured so that 3x3 reaches 88 % on Fashion-MNIST and 65 % on CIFAR-10."""

RECIPES = _recipes()
