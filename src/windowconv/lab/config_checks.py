"""What a training's settings may be, one by one and together.

`config.Training` imports this module, so that its type is not named here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from windowconv.errors import InputError, unknown

COUNTS = (
    "image_size",
    "start_size",
    "train_images",
    "test_images",
    "width",
    "epochs",
    "batch_size",
    "accumulate",
    "patience",
    "adversarial_steps",
    "lookahead_steps",
    "evaluate_every",
)
SIZES = ("lr", "momentum", "weight_decay", "l1", "lr_factor", "warmup_epochs", "bias_lr", "stem_epochs")
SHARES = ("val_fraction", "label_smoothing", "ema", "lookahead", "dropout", "start_share")


def check_training(training: Any, choices: Mapping[str, tuple[str, ...]]) -> None:
    """An `InputError` for settings that cannot be.

    Args:
        training: a `Training`.
        choices: what is allowed for the fields that have names as their values.
    """
    for name, allowed in choices.items():
        if getattr(training, name) not in allowed:
            raise unknown(option(name), getattr(training, name), allowed)
    _check_values(training)
    _check_together(training)


def option(name: str) -> str:
    """A field's name as it is written on the command line."""
    return name.replace("_", "-")


def _check_values(training: Any) -> None:
    def refuse(name: str, allowed: str) -> InputError:
        return InputError(f"{option(name)}={getattr(training, name)}; allowed: {allowed}")

    for name in COUNTS:
        if (value := getattr(training, name)) is not None and value < 1:
            raise refuse(name, "1 or more")
    if training.depth < 2:
        raise refuse("depth", "2 or more convolutions")
    for name in SIZES:
        if not 0 <= getattr(training, name) < math.inf:
            raise refuse(name, "a finite number, 0 or more")
    for name in SHARES:
        if not 0 <= getattr(training, name) < 1:
            raise refuse(name, "0 or more, and less than 1")
    if not all(0 <= milestone <= 1 for milestone in training.milestones):
        raise refuse("milestones", "fractions of all steps, from 0 to 1")
    if not 0 <= training.adversarial_budget <= 1:
        raise refuse("adversarial_budget", "0 to 1, as pixels are (8 of 255 is 0.0314)")
    if (size := training.adversarial_step_size) is not None and not 0 < size < math.inf:
        raise refuse("adversarial_step_size", "a positive number, as a fraction of the budget")
    low, high = training.crop_area
    if not 0 < low <= high <= 1:
        raise refuse("crop_area", "two fractions of an image, rising, above 0 and up to 1")
    low, high = training.crop_aspect
    if not 0 < low <= high < math.inf:
        raise refuse("crop_aspect", "two positive numbers, rising")


def _check_together(training: Any) -> None:
    if training.augment == "area-crop" and not training.stream:
        raise InputError("augment='area-crop' needs whole images: pass --stream with a folder of images or shards")
    if training.stream and training.augment in ("flip-crop", "flip-shift"):
        raise InputError(
            f"augment={training.augment!r} is for images in memory; with --stream allowed: area-crop, none"
        )
    if training.start_size is not None and training.adversarial != "none":
        raise InputError(f"start-size={training.start_size}; allowed: none with adversarial={training.adversarial!r}")
    if training.stream and training.image_size is None:
        raise InputError("stream=True needs --image-size: the pixels that the network gets, such as 224")
    if training.patience is not None and not training.val_fraction:
        raise InputError(f"patience={training.patience} needs --val-fraction: the test set decides nothing")
    if training.patience is not None and training.evaluate_every != 1:
        raise InputError(f"evaluate-every={training.evaluate_every}; allowed: 1 with patience={training.patience}")
    if training.dropout and training.network != "small":
        raise InputError(f"dropout={training.dropout}; allowed: 0, as only the network small takes it")
    if training.l1 and training.precision == "fp16":
        raise InputError(
            f"l1={training.l1:g}; allowed: 0 with precision='fp16', which scales gradients, or fp32, tf32, bf16"
        )
    if training.nesterov and not training.momentum:
        raise InputError("nesterov=True needs a momentum above 0")
    if training.accumulate > training.batch_size:
        raise InputError(f"accumulate={training.accumulate}; allowed: at most batch-size={training.batch_size}")
    if training.warmup_epochs > training.epochs:
        raise InputError(f"warmup-epochs={training.warmup_epochs:g}; allowed: at most epochs={training.epochs}")
    if training.schedule in ("one-cycle", "triangular") and training.warmup_epochs:
        raise InputError(
            f"warmup-epochs={training.warmup_epochs:g}; allowed: 0 with schedule={training.schedule!r}, which has a "
            "warm-up"
        )
    if training.lookahead and training.ema:
        raise InputError(f"lookahead={training.lookahead:g}; allowed: 0 with ema={training.ema:g}, another average")
    if training.decoupled_decay and not training.lr * training.bias_lr:
        raise InputError("decoupled-decay=True needs learning rates above 0, by which the decay is divided")
    if training.network == "airbench" and training.normalize != "none":
        raise InputError(f"normalize={training.normalize!r}; allowed: none with network='airbench', which normalises")
