"""What a training's settings may be, one by one and together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from windowconv.errors import InputError, unknown

if TYPE_CHECKING:
    from windowconv.lab.config import Training

COUNTS = (
    "image_size",
    "train_images",
    "test_images",
    "width",
    "epochs",
    "batch_size",
    "accumulate",
    "patience",
    "adversarial_steps",
)
SIZES = ("lr", "momentum", "weight_decay", "l1", "lr_factor", "warmup_epochs")
SHARES = ("val_fraction", "label_smoothing", "ema", "dropout")


def option(name: str) -> str:
    """A field's name as it is written on the command line."""
    return name.replace("_", "-")


def check_choices(training: Training, choices: Mapping[str, tuple[str, ...]]) -> None:
    """An `InputError` for a value that is not among a field's choices."""
    for name, allowed in choices.items():
        if getattr(training, name) not in allowed:
            raise unknown(option(name), getattr(training, name), allowed)


def check_values(training: Training) -> None:
    """An `InputError` for a number out of its range."""
    for name in COUNTS:
        value = getattr(training, name)
        if value is not None and value < 1:
            raise InputError(f"{option(name)}={value}; allowed: 1 or more")
    if training.depth < 2:
        raise InputError(f"depth={training.depth}; allowed: 2 or more convolutions")
    for name in SIZES:
        value = getattr(training, name)
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"{option(name)}={value}; allowed: a finite number, 0 or more")
    for name in SHARES:
        value = getattr(training, name)
        if not 0 <= value < 1:
            raise InputError(f"{option(name)}={value}; allowed: 0 or more, and less than 1")
    if not all(0 <= m <= 1 for m in training.milestones):
        raise InputError(f"milestones={training.milestones}; allowed: shares of all steps, 0 to 1")
    if not 0 <= training.adversarial_budget <= 1:
        raise InputError(
            f"adversarial-budget={training.adversarial_budget}; allowed: 0 to 1, as pixels are (8 of 255 is 0.0314)"
        )
    size = training.adversarial_step_size
    if size is not None and not 0 < size < math.inf:
        raise InputError(f"adversarial-step-size={size}; allowed: a positive number, over the budget")
    low, high = training.crop_area
    if not 0 < low <= high <= 1:
        raise InputError(
            f"crop-area={training.crop_area}; allowed: two shares of an image, rising, above 0 and up to 1"
        )
    low, high = training.crop_aspect
    if not 0 < low <= high < math.inf:
        raise InputError(f"crop-aspect={training.crop_aspect}; allowed: two positive numbers, rising")


def check_together(training: Training) -> None:
    """An `InputError` for settings that exclude each other."""
    if training.augment == "area-crop" and not training.stream:
        raise InputError("augment='area-crop' needs whole images: pass --stream with a folder of images or shards")
    if training.stream and training.augment == "flip-crop":
        raise InputError("augment='flip-crop' is for images in memory; with --stream allowed: area-crop, none")
    if training.stream and training.image_size is None:
        raise InputError("stream=True needs --image-size: the pixels that the network gets, such as 224")
    if training.patience is not None and not training.val_fraction:
        raise InputError(f"patience={training.patience} needs --val-fraction: the test set decides nothing")
    if training.dropout and training.network != "small":
        raise InputError(f"dropout={training.dropout}: only the network small takes it; leave it at 0")
    if training.l1 and training.precision == "fp16":
        raise InputError(
            f"l1={training.l1:g}: not with precision='fp16', whose gradients are scaled; allowed: fp32, tf32, bf16"
        )
    if training.nesterov and not training.momentum:
        raise InputError("nesterov=True needs a momentum above 0")
    if training.accumulate > training.batch_size:
        raise InputError(f"accumulate={training.accumulate}; allowed: at most batch-size={training.batch_size}")
    if training.warmup_epochs > training.epochs:
        raise InputError(f"warmup-epochs={training.warmup_epochs:g}; allowed: at most epochs={training.epochs}")
    if training.schedule == "one-cycle" and training.warmup_epochs:
        raise InputError("schedule='one-cycle' has a warm-up of its own: leave --warmup-epochs at 0")
