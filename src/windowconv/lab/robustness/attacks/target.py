"""A network under attack, as torch sees it and as the Adversarial Robustness Toolbox does."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.errors import InputError, require
from windowconv.lab.evaluations.network import Network
from windowconv.lab.robustness.attacks.norms import Shape

BATCH = 250


class Target:
    """A classifier whose inputs lie in [0, 1]; any normalisation is part of it.

    Its weights are frozen, so that gradients are computed for images only, and it stays in evaluation mode.

    Args:
        model: puts out one score a class.
        classes: how many.
        shape: channels, height and width of an image.
        device: where the model is, and where images go.

    Raises:
        InputError: fewer than two classes.
    """

    def __init__(self, model: nn.Module, classes: int, shape: Shape, device: torch.device | str = "cpu") -> None:
        if classes < 2:
            raise InputError(f"classes={classes}; attacks need 2 or more")
        self.device = torch.device(device)
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.classes, self.shape = classes, shape

    def logits(self, images: Tensor) -> Tensor:
        """Scores (N, classes) of images in [0, 1]; differentiable in the images."""
        return self.model(images.to(self.device).contiguous(memory_format=torch.channels_last)).float()

    @classmethod
    def of(cls, network: Network, device: torch.device | str = "cpu") -> Target:
        """A run's network."""
        known = network.run.record["data"]
        return cls(network.model, len(known["classes"]), (known["channels"], *known["image_size"]), device)

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """The classes of images (N, C, H, W), int64 (N,) on the CPU."""
        return torch.cat([self.logits(some).argmax(1).cpu() for some in images.split(BATCH)])

    @cached_property
    def art(self) -> Any:
        """The toolbox's view of the network."""
        toolbox = _toolbox("art.estimators.classification")
        kind = "gpu" if self.device.type == "cuda" else "cpu"
        with quiet():
            return toolbox.PyTorchClassifier(
                model=self.model,
                loss=nn.CrossEntropyLoss(),
                input_shape=self.shape,
                nb_classes=self.classes,
                clip_values=(0.0, 1.0),
                device_type=kind,
            )


def art_attacks() -> Any:
    """The toolbox's evasion attacks; ten seconds and more when first used."""
    return _toolbox("art.attacks.evasion")


def _toolbox(module: str) -> Any:
    with quiet():
        return require(module, "attacks")


@contextmanager
def quiet() -> Iterator[None]:
    """What the toolbox warns of (its other frameworks, its own deprecations) is not the user's concern."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check_images(images: Tensor, labels: Tensor, target: Target) -> None:
    """An `InputError` unless images are floats in [0, 1] of the network's shape, each with a label."""
    if not images.is_floating_point() or images.ndim != 4 or tuple(images.shape[1:]) != target.shape:
        wanted = ", ".join(map(str, target.shape))
        raise InputError(f"images: {tuple(images.shape)} of {images.dtype}; allowed: floats (N, {wanted})")
    if len(images) == 0:
        raise InputError("images holds no image")
    low, high = images.min().item(), images.max().item()
    if not (low >= 0 and high <= 1):  # NaN too
        raise InputError(f"images reach from {low:g} to {high:g}; allowed: 0 to 1, before any normalisation")
    if labels.dtype != torch.int64 or labels.shape != (len(images),):
        raise InputError(f"labels: {tuple(labels.shape)} of {labels.dtype}; allowed: int64 ({len(images)},)")
    if not (labels.min() >= 0 and labels.max() < target.classes):
        raise InputError(
            f"labels reach from {int(labels.min())} to {int(labels.max())}; allowed: 0 to {target.classes - 1}"
        )
