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
from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images, ImageSet
from windowconv.lab.data.sources import data_name
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import write_json
from windowconv.lab.training.distributed import Ranks, configure
from windowconv.lab.training.loading import data_of, limit_images, ordered_loader, read_data
from windowconv.phases import phase

BATCH = 500
TEST_AUGMENTED = "test-augment"
"""The name of evaluations with test-time augmentation."""
STREAMED_BATCH = 100  # their worker processes hold several, in shared memory


@dataclass(frozen=True)
class Predictions:
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

    def metrics(self) -> dict[str, Any]:
        """What is reported."""
        return {"n": self.n, "accuracy": self.accuracy, "correct": int(self.correct.sum()), "loss": self.loss}


def evaluate(
    model: nn.Module,
    images: Images,
    device: torch.device | str = "cpu",
    ranks: Ranks | None = None,
    workers: int = 2,
) -> Predictions:
    """Classify every image once, in evaluation mode, in float32 and without gradients; the model's mode is put back.

    Args:
        model: on `device`; on every rank the same.
        images: what to classify.
        device: where the model is.
        ranks: processes that share the images, each image on one of them; all get the whole result.
        workers: processes that read streamed images.
    """
    device = torch.device(device)
    rank, world = (ranks.rank, ranks.world) if ranks else (0, 1)
    classes = torch.zeros(len(images), dtype=torch.int64, device=device)
    losses = torch.zeros(len(images), device=device)
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            size = BATCH if isinstance(images, ImageSet) else STREAMED_BATCH
            for batch in ordered_loader(images, size, device, workers, rank, world).epoch(0):
                if batch.weight:
                    outputs = model(batch.images.contiguous(memory_format=torch.channels_last)).float()
                    classes[batch.indices] = outputs.argmax(1)
                    losses[batch.indices] = F.cross_entropy(outputs, batch.labels, reduction="none")
            if ranks:
                classes, losses = ranks.sum(classes), ranks.sum(losses)
    finally:
        model.train(training)
    predictions = classes.cpu().clone()
    return Predictions(predictions, predictions == images.labels.cpu(), losses.cpu().clone())


def evaluate_run(
    run: Run, data: str | None = None, root: Path | None = None, execution: Execution | None = None
) -> tuple[str, Predictions]:
    """Evaluate a finished run and write the result into its folder: `test`, or `DATA-test` for other images.

    Args:
        run: with its weights.
        data: other images, as `load` takes them; the run's own test images if None.
        root: the folder that `load` looks in.
        execution: device, threads, workers.

    Returns:
        The name of the images, and the evaluation.

    Raises:
        InputError: images that are not there, that the network does not fit, or that differ from the run's own.
    """
    execution = execution or Execution()
    config, known = run.config, run.record["data"]
    model = run.model()
    configure(execution)
    given = data_of(run, data)
    source = read_data(given, root, config)
    images = source.test if data is not None else limit_images(source, config).test
    check_fits(known, images)
    same = images.content_hash == known["test_hash"]
    if data is None and not same:
        raise InputError(
            f"the test images of {given} here differ from those of the run (content hash {images.content_hash[:12]}, "
            f"the run's {known['test_hash'][:12]}); pass --data {given} to evaluate on them all the same"
        )
    with phase(f"classifying {len(images):,} images"):
        result = evaluate(model.to(execution.device), images, execution.device, workers=execution.workers)
    save_evaluation(run.folder, "test" if same else f"{data_name(given)}-test", result, images, source.name)
    return source.name, result


def save_evaluation(folder: Path, name: str, result: Predictions, images: Images, source: str) -> None:
    """Write `evaluations/NAME.json` and, image by image, `evaluations/NAME.safetensors` into a run folder."""
    save = require("safetensors.torch", "lab").save
    each = {"predictions": result.predictions, "correct": result.correct, "losses": result.losses}
    target = folder / "evaluations"
    replace_file(target / f"{name}.safetensors", save({key: value.contiguous() for key, value in each.items()}))
    record = {"name": name, "source": source, "content_hash": images.content_hash, "figures": result.metrics()}
    write_json(target / f"{name}.json", record)


def check_fits(run_data: dict[str, Any], images: Images) -> None:
    """An `InputError` unless a run's network takes these images and has their classes."""
    shape = (run_data["channels"], *run_data["image_size"])
    if images.shape != shape or len(images.classes) != len(run_data["classes"]):
        raise InputError(
            f"the images are {images.shape} of {len(images.classes)} classes, but the run was "
            f"trained on {shape} of {len(run_data['classes'])} classes ({run_data['source']})"
        )
    for mine, theirs in zip(run_data["classes"], images.classes, strict=True):
        if mine != theirs:
            raise InputError(
                f"the images have a class {theirs!r} where the run's is {mine!r}; evaluate on images of the classes "
                f"that it was trained on, in their order ({run_data['source']})"
            )
