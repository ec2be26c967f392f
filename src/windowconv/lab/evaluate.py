"""Exact accuracy: each image counted once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.errors import InputError, require
from windowconv.files import replace_file
from windowconv.lab.data import DeviceLoader, ImageSet
from windowconv.lab.runs import write_json

BATCH = 500


@dataclass(frozen=True)
class Evaluation:
    """A network on a set of images, in the set's own order.

    Attributes:
        predictions: int64 (N,), the class with the largest output.
        correct: bool (N,).
        losses: float32 (N,), cross-entropy.
    """

    predictions: Tensor
    correct: Tensor
    losses: Tensor

    @property
    def n(self) -> int:
        """Images."""
        return len(self.correct)

    @property
    def accuracy(self) -> float:
        """Share of images classified right."""
        return int(self.correct.sum()) / self.n

    @property
    def loss(self) -> float:
        """Mean cross-entropy, summed in float64."""
        return self.losses.double().mean().item()

    def figures(self) -> dict[str, Any]:
        """What is reported."""
        return {"n": self.n, "accuracy": self.accuracy, "correct": int(self.correct.sum()), "loss": self.loss}


def evaluate(model: nn.Module, images: ImageSet, device: torch.device | str = "cpu") -> Evaluation:
    """Classify every image once, in evaluation mode and without gradients; the model's mode is put back."""
    training = model.training
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    model.eval()
    try:
        with torch.inference_mode():
            for batch in DeviceLoader(images, BATCH, device=device, ordered=True).epoch(0):
                outputs = model(batch.images.contiguous(memory_format=torch.channels_last))
                predictions = outputs.argmax(1)
                losses = F.cross_entropy(outputs, batch.labels, reduction="none")
                parts.append((predictions.cpu(), (predictions == batch.labels).cpu(), losses.float().cpu()))
    finally:
        model.train(training)
    return Evaluation(*(torch.cat(column) for column in zip(*parts, strict=True)))


def save_evaluation(folder: Path, name: str, result: Evaluation, images: ImageSet, source: str) -> None:
    """Write `evaluations/NAME.json` and, image by image, `evaluations/NAME.safetensors` into a run folder."""
    save = require("safetensors.torch", "lab").save
    each = {"predictions": result.predictions, "correct": result.correct, "losses": result.losses}
    target = folder / "evaluations"
    replace_file(target / f"{name}.safetensors", save({key: value.contiguous() for key, value in each.items()}))
    record = {"name": name, "source": source, "content_hash": images.content_hash, "figures": result.figures()}
    write_json(target / f"{name}.json", record)


def check_fits(run_data: dict[str, Any], images: ImageSet) -> None:
    """An `InputError` unless a run's network takes these images and has their classes."""
    shape = (run_data["channels"], *run_data["image_size"])
    if tuple(images.images.shape[1:]) != shape or len(images.classes) != len(run_data["classes"]):
        raise InputError(
            f"the images are {tuple(images.images.shape[1:])} of {len(images.classes)} classes, but the run was "
            f"trained on {shape} of {len(run_data['classes'])} classes ({run_data['source']})"
        )
    for mine, theirs in zip(run_data["classes"], images.classes, strict=True):
        if mine != theirs:
            raise InputError(
                f"the images have a class {theirs!r} where the run's is {mine!r}; evaluate on images of the classes "
                f"that it was trained on, in their order ({run_data['source']})"
            )
