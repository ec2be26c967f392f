"""A network under attack, for torch and for the Adversarial Robustness Toolbox."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.errors import InputError, require
from windowconv.finite import check_finite
from windowconv.kernel_geometry import copy_model
from windowconv.lab.evaluations.network import Network
from windowconv.lab.robustness.attacks.norms import Shape

BATCH = 250


class Target:
    """A classifier whose inputs lie in [0, 1]; any normalisation is part of it.

    It is a copy in evaluation mode with frozen weights, so that only images get gradients: the caller's model stays as
    it is.

    Args:
        model: from images (N, C, H, W) to scores (N, classes).
        classes: how many.
        shape: channels, height and width of an image.
        device: where the model computes.

    Raises:
        InputError: fewer than two classes; weights that are NaN or infinite.
    """

    def __init__(self, model: nn.Module, classes: int, shape: Shape, device: torch.device | str = "cpu") -> None:
        if classes < 2:
            raise InputError(f"classes={classes}; attacks need 2 or more")
        check_finite(model)
        self.device = torch.device(device)
        self.model = copy_model(model).to(self.device).eval().requires_grad_(False)
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
        """The predicted classes of images (N, C, H, W): int64 (N,) on the CPU."""
        return torch.cat([self.logits(batch).argmax(1).cpu() for batch in images.split(BATCH)])

    @torch.no_grad()
    def check_scores(self, images: Tensor) -> None:
        """An `InputError` if the network puts out probabilities, whose gradients vanish: attacks would seem to fail.

        Args:
            images: floats (N, C, H, W) in [0, 1]; a few are tried.
        """
        scores = self.logits(images[:BATCH])
        if scores.ndim != 2 or scores.shape[1] != self.classes:
            raise InputError(f"the network's output has shape {tuple(scores.shape)}; allowed: (N, {self.classes})")
        if scores.min() >= 0 and torch.allclose(
            scores.sum(1), torch.ones(len(scores), device=scores.device), atol=1e-4
        ):
            raise InputError(
                "the network puts out probabilities (0 or more, sum 1), whose gradients vanish where it is sure; "
                "allowed: scores, so leave out its softmax"
            )

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
    """The toolbox's evasion attacks; the first import takes ten seconds or more."""
    return _toolbox("art.attacks.evasion")


def _toolbox(module: str) -> Any:
    with quiet():
        return require(module, "attacks")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the toolbox's warnings: they are about frameworks that are not used, and its own deprecations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check_images(images: Tensor, labels: Tensor, target: Target) -> None:
    """An `InputError` unless images are floats (N, C, H, W) in [0, 1] of the network's shape, and labels int64 (N,)."""
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
    target.check_scores(images)
