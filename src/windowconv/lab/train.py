"""The training loop: SGD on batches that live on the device, into a run folder."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.checkpoint import save_weights
from windowconv.errors import InputError
from windowconv.lab.config import RunConfig
from windowconv.lab.data import DeviceLoader, ImageData
from windowconv.lab.evaluate import Evaluation, evaluate, save_evaluation
from windowconv.lab.models import build, to_header
from windowconv.lab.progress import Progress
from windowconv.lab.runs import Run, RunWriter, recording

LOG_EVERY = 20  # steps between two looks at the loss, which waits for the device


@dataclass
class _State:
    """Where a run is."""

    started: float
    step: int = 0
    loss: float = math.nan
    accuracy: float = math.nan

    @property
    def time_s(self) -> float:
        """Seconds since the run began."""
        return round(time.perf_counter() - self.started, 3)


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
    with recording(folder, config, data, device) as writer:
        final = _loop(model, config, data, writer, progress, device)
        save_weights(model, folder / "model.safetensors", to_header("small", arguments))
        save_evaluation(folder, "test", final, data.test, data.name)
    return Run.open(folder)


def _loop(
    model: nn.Module, config: RunConfig, data: ImageData, writer: RunWriter, progress: Progress, device: torch.device
) -> Evaluation:
    loader = DeviceLoader(
        data.train, config.batch_size, seed=config.seed, device=device, augment=config.augment, drop_last=False
    )
    optimizer = torch.optim.SGD(
        model.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
    )
    state, steps = _State(time.perf_counter()), config.epochs * len(loader)
    progress.start_run(config.run_name, len(data.train) * config.epochs)
    for epoch in range(config.epochs):
        train_loss, train_accuracy = _epoch(model, optimizer, loader, epoch, steps, config, state, writer, progress)
        result = evaluate(model, data.test, device)
        state.accuracy = result.accuracy
        _check_finite(result.loss, state.step, learning_rate(config, state.step - 1, steps), "test loss")
        figures = {
            "step": state.step,
            "epoch": epoch + 1,
            "time_s": state.time_s,
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "test_loss": result.loss,
            "test_accuracy": result.accuracy,
        }
        writer.log("epoch", **figures)
        progress.end_epoch(epoch + 1, config.epochs, train_loss, result.accuracy)
        if epoch + 1 == config.epochs:
            writer.log("final", **figures)
            return result
    raise AssertionError("a config has one epoch at least")


def _epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: DeviceLoader,
    epoch: int,
    steps: int,
    config: RunConfig,
    state: _State,
    writer: RunWriter,
    progress: Progress,
) -> tuple[float, float]:
    """One pass; returns the mean loss and the accuracy over its (augmented) training images."""
    model.train()
    total = torch.zeros(2, dtype=torch.float64, device=loader.device)
    seen = 0
    for batch in loader.epoch(epoch):
        lr = learning_rate(config, state.step, steps)
        for group in optimizer.param_groups:
            group["lr"] = lr
        outputs = model(batch.images.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(outputs, batch.labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            total += torch.stack([loss * len(batch.labels), _correct(outputs, batch.labels)])
        seen += len(batch.labels)
        state.step += 1
        if state.step % LOG_EVERY == 0 or state.step == steps:
            state.loss = loss.item()
            _check_finite(state.loss, state.step, lr)
            writer.log("step", step=state.step, epoch=epoch + 1, time_s=state.time_s, loss=state.loss, lr=lr)
        progress.advance(len(batch.labels), state.loss)
    mean_loss, correct = (total.cpu() / seen).tolist()
    _check_finite(mean_loss, state.step, learning_rate(config, state.step - 1, steps))
    return mean_loss, correct


def learning_rate(config: RunConfig, step: int, steps: int) -> float:
    """The learning rate of a step: lr times lr_factor for each milestone passed."""
    passed = sum(step >= round(milestone * steps) for milestone in config.milestones)
    return config.lr * config.lr_factor**passed


def _correct(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs.argmax(1) == labels).sum()


def _check_finite(loss: float, step: int, lr: float, what: str = "loss") -> None:
    if not math.isfinite(loss):
        raise InputError(f"the {what} is {loss} at step {step} with lr={lr:g}; train with a smaller --lr")
