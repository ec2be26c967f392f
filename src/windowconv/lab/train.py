"""The training loop: SGD on batches that live on the device, into a run folder."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.checkpoint import save_weights
from windowconv.errors import InputError
from windowconv.lab.config import RunConfig
from windowconv.lab.data import Batch, DeviceLoader, ImageData
from windowconv.lab.evaluate import Evaluation, evaluate, save_evaluation
from windowconv.lab.models import build, to_header
from windowconv.lab.numerics import pin_algorithms
from windowconv.lab.progress import Progress
from windowconv.lab.runs import Run, RunWriter, recording
from windowconv.spectra.recorder import LeakageRecorder

LOG_EVERY = 20  # steps between two looks at the loss, which waits for the device


def train(
    config: RunConfig, data: ImageData, folder: Path, progress: Progress, device: torch.device | str = "cpu"
) -> Run:
    """Train one run to the end and write its folder.

    The weights start from `config.seed`, so that arms of one kernel size start alike; the batches depend on
    the seed alone, so that all arms see the same.

    Args:
        config: what to train.
        data: the images, already cut to the config's numbers.
        folder: the run folder.
        progress: where to show how it goes.
        device: a torch device.

    Raises:
        InputError: a folder or disk that cannot be written; a loss that is no longer finite, with the step and the
            learning rate. The run is then marked as failed.
    """
    device = torch.device(device)
    if max(data.image_size) < 3:
        height, width = data.image_size
        raise InputError(f"the images are {width}x{height}; allowed: 3x3 or more; pass a larger --image-size")
    torch.manual_seed(config.seed)
    arguments = {
        "arm": config.arm,
        "classes": len(data.classes),
        "channels": data.channels,
        "depth": config.depth,
        "width": config.width,
    }
    # channels last is the faster layout for convolutions on CPUs and on tensor cores
    model = build("small", arguments).to(device).to(memory_format=torch.channels_last)
    batch = (min(config.batch_size, len(data.train)), data.channels, *data.image_size)
    algorithms = pin_algorithms(model, config.algorithm, batch)
    with recording(folder, config, data, device, algorithms) as writer:
        final = _Trainer(model, config, data, writer, progress).run()
        save_weights(model, folder / "model.safetensors", to_header("small", arguments))
        save_evaluation(folder, "test", final, data.test, data.name)
    return Run.open(folder)


class _Trainer:
    """One run's network, optimiser and batches, and where it is."""

    def __init__(
        self, model: nn.Module, config: RunConfig, data: ImageData, writer: RunWriter, progress: Progress
    ) -> None:
        self.model, self.config, self.data = model, config, data
        self.writer, self.progress = writer, progress
        self.device = next(model.parameters()).device
        self.loader = DeviceLoader(
            data.train, config.batch_size, seed=config.seed, device=self.device, augment=config.augment
        )
        self.optimizer = torch.optim.SGD(
            model.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
        )
        self.steps = config.epochs * len(self.loader)
        self.step = 0
        self.lr = config.lr
        self.leakage = LeakageRecorder(model)
        self.started = time.perf_counter()

    def run(self) -> Evaluation:
        """All epochs, the test set after each; returns the last evaluation."""
        self._log_leakage(0)
        self.progress.start_run(self.config.run_name, len(self.data.train) * self.config.epochs)
        result = figures = None
        for epoch in range(1, self.config.epochs + 1):
            train_loss, train_accuracy = self._epoch(epoch)
            result = evaluate(self.model, self.data.test, self.device)
            self._check_finite(result.loss, "test loss")
            figures = {
                **self._position(epoch),
                "train_loss": train_loss,
                "train_accuracy": train_accuracy,
                "test_loss": result.loss,
                "test_accuracy": result.accuracy,
            }
            self.writer.log("epoch", **figures)
            self.leakage(epoch)
            self._log_leakage(epoch)
            self.progress.end_epoch(epoch, self.config.epochs, train_loss, result.accuracy)
        assert result is not None  # a config has one epoch at least
        assert figures is not None
        self.writer.log("final", **figures)
        return result

    def _log_leakage(self, epoch: int) -> None:
        """L(1/8) and L(1/4) of the single kernels of each layer, as just recorded; epoch 0 is before training."""
        keys = ("pair_leakage_1/8", "pair_leakage_1/4")
        rows = [row for row in self.leakage.rows if row["epoch"] == epoch]
        figures = {row["layer"]: [row[key] for key in keys] for row in rows}
        self.writer.log("leakage", **self._position(epoch), leakage=figures)

    def _epoch(self, epoch: int) -> tuple[float, float]:
        """One pass; returns the mean loss and the accuracy over its (augmented) training images."""
        self.model.train()
        total = torch.zeros(2, dtype=torch.float64, device=self.device)
        loss = math.nan
        for batch in self.loader.epoch(epoch - 1):
            total += self._update(batch)
            self.step += 1
            if self.step % LOG_EVERY == 0 or self.step == self.steps:
                loss = float(self.last_loss)
                self._check_finite(loss, "loss")
                self.writer.log("step", **self._position(epoch), loss=loss, lr=self.lr)
            self.progress.advance(len(batch.labels), loss)
        mean_loss, accuracy = (total.cpu() / len(self.data.train)).tolist()
        self._check_finite(mean_loss, "loss")
        return mean_loss, accuracy

    def _update(self, batch: Batch) -> Tensor:
        """One step of SGD; returns the batch's sums of losses and of hits, still on the device."""
        self.lr = learning_rate(self.config, self.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr
        outputs = self.model(batch.images.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(outputs, batch.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.last_loss = loss.detach()
        hits = (outputs.argmax(1) == batch.labels).sum()
        return torch.stack([self.last_loss * len(batch.labels), hits])

    def _position(self, epoch: int) -> dict[str, Any]:
        return {"step": self.step, "epoch": epoch, "time_s": round(time.perf_counter() - self.started, 3)}

    def _check_finite(self, value: float, what: str) -> None:
        if not math.isfinite(value):
            raise InputError(
                f"the {what} is {value} at step {self.step} with lr={self.lr:g}; train with a smaller --lr"
            )


def learning_rate(config: RunConfig, step: int, steps: int) -> float:
    """The learning rate of a step: lr times lr_factor for each milestone passed."""
    passed = sum(step >= round(milestone * steps) for milestone in config.milestones)
    return config.lr * config.lr_factor**passed
