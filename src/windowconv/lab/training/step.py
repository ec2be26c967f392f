"""One step of the training: forward, backward, and the optimiser's step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.lab.config import RunConfig
from windowconv.lab.data import Batch
from windowconv.lab.data.seeding import seeded_generator
from windowconv.lab.models.replicas import Alone, Replicas, Stacked, laid_out
from windowconv.lab.training.adversarial import Adversary
from windowconv.lab.training.distributed import Ranks
from windowconv.lab.training.optimizer import (
    add_l1,
    averaged,
    go_on_from,
    make_average,
    make_factors,
    make_optimizer,
    scale_gradients,
    stem_biases,
)
from windowconv.lab.training.schedule import learning_rate
from windowconv.lab.training.state import Tensors, capture, restore


class Stepper:
    """R networks with what trains them.

    Args:
        configs: of the runs, one a network; they differ in their seeds.
        networks: R of them, on the device.
        steps: how many there will be.
        ranks: the processes.
    """

    def __init__(self, configs: Sequence[RunConfig], networks: Sequence[nn.Module], steps: int, ranks: Ranks) -> None:
        self.config = config = configs[0]
        self.steps, self.ranks = steps, ranks
        self.replicas = Alone(networks[0]) if len(networks) == 1 else Stacked(networks)
        self.optimizer = make_optimizer(self.replicas, config)
        self.average = make_average(self.replicas, config, steps)
        self.stem = stem_biases(self.replicas)
        self.factors = make_factors(self.replicas, config)
        self.adversary = None if config.adversarial == "none" else Adversary(configs, self.replicas, ranks)
        self.lr = config.lr
        setup = ranks.setup if len(networks) == 1 else ranks.setup_stacked
        self._model, self._optimizer = setup(self.replicas, self.optimizer)

    def update(self, batches: Sequence[Batch], step: int) -> tuple[Tensor, Tensor]:
        """Step `step` of SGD, from 0, on one batch a network.

        Returns:
            Each network's mean loss and number of hits, (R,) and still on the device; on several ranks they are this
            one's share, to be summed.
        """
        self.lr = learning_rate(self.config, step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * group["lr_factor"]
        fixed = step * self.config.epochs >= self.config.stem_epochs * self.steps
        for bias in self.stem:  # a gradient less; with several processes it is expected
            bias.requires_grad_(not fixed or self.ranks.world > 1)
        # dropout and its like draw numbers that depend on where the run is, not on how it came there
        _seed(seeded_generator("step", self.config.seed, step, self.ranks.rank).initial_seed(), self.ranks.device)
        if not (self._model.training and self.replicas.networks[0].training):  # evaluations end that
            self._model.train()
        self.optimizer.zero_grad(set_to_none=True)
        images = torch.stack([b.images for b in batches]) if len(batches) > 1 else batches[0].images[None]
        labels = torch.stack([b.labels for b in batches])
        if (size := self.config.start_size) and step < self.config.start_share * self.steps:
            images = _resized(images, size)
        if self.adversary is not None:
            images = self.adversary.attack(batches, images, labels, step)
        losses, hits = self._gradients(images, labels, batches[0])
        scale_gradients(self.factors)
        add_l1(self.replicas, self.config.l1)
        for bias in self.stem if fixed else ():
            bias.grad = None
        self._optimizer.step()
        self._average(step + 1)
        return losses, hits

    def _average(self, step: int) -> None:
        """Update the average after so many steps; with lookahead, the training goes on from it."""
        if self.average is None or (self.config.lookahead and step % self.config.lookahead_steps):
            return
        self.average.update_parameters(self.replicas)
        if self.config.lookahead:
            go_on_from(self.average, self.replicas)

    def _gradients(self, images: Tensor, labels: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Add up the gradients of the step's parts; `batch` is any of the batches."""
        share = batch.weight / batch.total
        # gradients are averaged over ranks, and each rank has its share of the mean only
        factor = self.ranks.world * (batch.total if self.config.loss == "sum" else 1)
        losses, hits = [], []
        accumulate = self.config.accumulate
        parts = list(zip(images.chunk(accumulate, 1), labels.chunk(accumulate, 1), strict=True))
        for i, (some, targets) in enumerate(parts):
            with self.ranks.averaging(self._model, i + 1 == len(parts)):
                outputs = self.ranks.forward(self._model, laid_out(some, self.config.channels_last))
                loss = self._cross_entropy(outputs, targets) * share
                self.ranks.backward(loss.sum() * factor if factor > 1 else loss.sum())
            losses.append(loss.detach())
            hits.append((outputs.argmax(2) == targets).sum(1))
        return _sum(losses), _sum(hits) * int(batch.weight)

    def _cross_entropy(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Each network's sum, of outputs (R, N, classes) and targets (R, N)."""
        each = F.cross_entropy(
            outputs.flatten(0, 1).float(),
            targets.flatten(),
            reduction="none",
            label_smoothing=self.config.label_smoothing,
        )
        return each.view(targets.shape).sum(1)

    def networks(self) -> list[nn.Module]:
        """The networks as they are evaluated and kept, averaged if they are; the same on all ranks."""
        source = self.replicas if self.average is None or not self.average.n_averaged else self.average.module
        self.ranks.share_buffers(source)
        return averaged(self.average, self.replicas)

    def capture(self, index: int) -> dict[str, Tensors]:
        """What a checkpoint holds of network `index`."""
        return capture(self.replicas, self.optimizer, self.average, index)

    def restore(self, found: Sequence[dict[str, Any]], scalars: dict[str, Any]) -> None:
        """Go back to what `capture` and `scalars` gave for each network."""
        for i, tensors in enumerate(found):
            restore(self.replicas, self.optimizer, self.average, tensors, i)
        self.replicas.push()
        if self.average is not None:
            source = self.average.module
            assert isinstance(source, Replicas)
            source.push()
            self.average.n_averaged.fill_(scalars["averaged"])
        if self.ranks.scaler is not None:
            self.ranks.scaler.load_state_dict(scalars["scaler"])

    def scalars(self) -> dict[str, Any]:
        """The rest of the state, JSON-able."""
        return {
            "averaged": 0 if self.average is None else int(self.average.n_averaged),
            "scaler": None if self.ranks.scaler is None else self.ranks.scaler.state_dict(),
        }


def _resized(images: Tensor, size: int) -> Tensor:
    """Images (R, N, C, H, W) with so many pixels on each side."""
    small = F.interpolate(images.flatten(0, 1), (size, size), mode="bilinear", antialias=True)
    return small.unflatten(0, images.shape[:2])


def _sum(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)


def _seed(seed: int, device: torch.device) -> None:
    """`torch.manual_seed` for the CPU and one device: for all kinds of devices it takes a millisecond, of each step."""
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)
