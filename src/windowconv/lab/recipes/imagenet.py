"""ImageNet: ResNet-18 and VGG11 with batch norm, from a folder in ImageNet's layout or from shards.

    windowconv compare --recipe imagenet-resnet18-paper --data /data/imagenet --device cuda
    torchrun --nproc-per-node 8 -m windowconv train --recipe imagenet-vgg11bn-paper --arm 7x7-hamming \\
        --batch-size 2048 --lr 0.8 --data /data/imagenet --device cuda
    windowconv compare --recipe imagenet-resnet18-small --data imagenette

The batch is over all processes, and the paper's rate is 0.1 for each 256 images of it.
"""

from __future__ import annotations

from windowconv.lab.config import Training
from windowconv.lab.recipes.recipe import Recipe

PAPER = Training(
    network="resnet18",
    width=64,
    image_size=224,
    stream=True,
    augment="area-crop",
    crop_area=(0.1, 1.0),
    crop_aspect=(0.8, 1.25),
    normalize="imagenet",
    epochs=90,
    batch_size=256,
    lr=0.1,
    momentum=0.9,
    weight_decay=1e-4,
    decay="all",
    schedule="steps",
    milestones=(1 / 3, 2 / 3, 8 / 9),  # epochs 30, 60 and 80
    lr_factor=0.1,
    warmup_epochs=5,
    algorithm="direct",
    channels_last=False,
)
"""Tomen & van Gemert's settings, the same for all arms and both networks."""

SMALL = {
    "image_size": 64,
    "width": 16,
    "epochs": 12,
    "batch_size": 64,
    "lr": 0.05,
    "warmup_epochs": 1,
    "algorithm": "auto",
    "channels_last": True,
}
"""Minutes on two cores for a folder of some thousand images, such as Imagenette."""

SMOKE = {
    "image_size": 32,
    "width": 8,
    "epochs": 2,
    "batch_size": 16,
    "lr": 0.02,
    "warmup_epochs": 0.5,
    "train_images": 64,
    "test_images": 32,
    "algorithm": "auto",
    "channels_last": True,
}

MODERN = {
    "epochs": 90,
    "batch_size": 1024,
    "lr": 0.5,
    "schedule": "cosine",
    "nesterov": True,
    "weight_decay": 5e-5,
    "decay": "weights",
    "label_smoothing": 0.1,
    "ema": 0.9999,
    "precision": "bf16",
    "algorithm": "auto",
    "crop_area": (0.35, 1.0),
    "crop_aspect": (0.75, 4 / 3),
    "channels_last": True,
}
"""Today's training of a ResNet-18: cosine, label smoothing, an average of the weights, milder crops."""


def _recipes() -> list[Recipe]:
    found = []
    for name, network, title in (
        ("resnet18", "resnet18", "ResNet-18"),
        ("vgg11bn", "vgg11-bn", "VGG11 with batch norm"),
    ):
        paper = Recipe(f"imagenet-{name}-paper", f"ImageNet, {title}, the paper's settings", "imagenet", PAPER)
        paper = paper.but("paper", paper.about, network=network)
        modern = paper.but("modern", f"ImageNet, {title} under today's training", **MODERN)
        calmer = {"ema": 0.98, "batch_size": 64, "warmup_epochs": 1}
        found += [
            paper,
            paper.but("small", f"{title} at 64 pixels, in minutes on two cores", **SMALL),
            paper.but("smoke", f"{title} in seconds, to see that it runs", **SMOKE),
            modern,
            modern.but("small", f"{title} under today's training, in minutes", **{**SMALL, "lr": 0.1, **calmer}),
            modern.but("smoke", f"{title} under today's training, in seconds", **{**SMOKE, "ema": 0.9}),
        ]
    return found


RECIPES = _recipes()
