"""The training loop: epochs of steps, with evaluations, records and checkpoints between them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from signal import SIGTERM
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.lab.config import Execution, RunConfig
from windowconv.lab.data import ImageData
from windowconv.lab.data.sets import Images
from windowconv.lab.progress import Progress
from windowconv.lab.runs.checkpoints import Checkpoint, newest_step, save_checkpoint
from windowconv.lab.runs.writer import RunWriter
from windowconv.lab.training.augmented_network import AugmentedNetwork
from windowconv.lab.training.distributed import Ranks
from windowconv.lab.training.evaluate import TEST_AUGMENTED, Predictions, evaluate
from windowconv.lab.training.loading import split_validation, training_loader
from windowconv.lab.training.signals import Stopped, StopRequest, listening
from windowconv.lab.training.state import Tensors, all_finite, cpu_copy
from windowconv.lab.training.step import Stepper
from windowconv.spectra.network import pair_leakage

LOG_EVERY = 20  # steps between two transfers of the loss, which wait for the device
EPOCH_SHARE = 0.1  # of the time between two checkpoints, after which the end of an epoch is worth one
VALIDATION, TEST = "val", "test"

Metrics = dict[str, Any]


class Diverged(InputError):
    """A loss or a weight is no longer finite: with the same settings it would be so again."""


class Recent(NamedTuple):
    """A step: each network's mean loss and hits, (R,) and on the device; images in the batch; the rate."""

    losses: Tensor
    hits: Tensor
    total: int
    lr: float


@dataclass
class TrainedNetwork:
    """What a run comes to: its network and its evaluations by name, each with the images."""

    network: nn.Module
    evaluations: dict[str, tuple[Predictions, Images]] = field(default_factory=dict)


@dataclass
class Track:
    """What the loop remembers of one run: its last epoch, and its best one on the validation images."""

    metrics: Metrics = field(default_factory=dict)
    last: Predictions | None = None
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best: Tensors | None = None


class Loop:
    """Runs of one arm that differ in their seed, and where they are.

    Args:
        configs: of the runs.
        networks: on their device, algorithms chosen.
        data: the images.
        writers: of the run folders; none on ranks but the first.
        progress: where to show how it goes.
        ranks: the processes.
        execution: checkpoints and workers.
        checkpoints: where to resume, if not from the start.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        networks: Sequence[nn.Module],
        data: ImageData,
        writers: Sequence[RunWriter],
        progress: Progress,
        ranks: Ranks,
        execution: Execution,
        checkpoints: Sequence[Checkpoint] | None = None,
    ) -> None:
        self.configs, self.config, self.data = configs, configs[0], data
        self.writers, self.progress, self.ranks, self.execution = writers, progress, ranks, execution
        self.images, self.validation = split_validation(data.train, self.config)
        self.loaders = [
            training_loader(self.images, c, ranks.device, execution, ranks.rank, ranks.world) for c in configs
        ]
        self.steps = self.config.epochs * len(self.loaders[0])
        self.stepper = Stepper(configs, networks, self.steps, ranks)
        self.tracks = [Track() for _ in configs]
        self.step, self.epoch, self.batch = 0, 1, 0
        self.earlier = 0.0  # seconds, of attempts that were cut
        self.totals = self._zeros()
        self.recent: list[Recent] = []  # since the last transfer
        self.loss = math.nan
        if checkpoints:
            self._restore(checkpoints)

    def run(self) -> list[TrainedNetwork]:
        """All epochs that are left, and the evaluation on the test set."""
        self.started = self.saved = time.perf_counter()
        name = self.config.run_name if len(self.configs) == 1 else f"{self.config.arm}, {len(self.configs)} seeds"
        left = len(self.images) * self.config.epochs - self._seen()
        self.progress.start_run(name, left * len(self.configs))
        if self.step == 0:
            self._log_leakage(self.stepper.networks(), 0)
        with listening() as request:
            while self.epoch <= self.config.epochs and not self._out_of_patience():
                self._train_epoch(request)
                self._end_epoch()
        return self._finish()

    def _train_epoch(self, request: StopRequest) -> None:
        """The epoch's batches that are left."""
        each = [loader.epoch(self.epoch - 1, self.batch) for loader in self.loaders]
        for batches in zip(*each, strict=True):
            losses, hits = self.stepper.update(batches, self.step)
            self.recent.append(Recent(losses, hits, batches[0].total, self.stepper.lr))
            self.step += 1
            self.batch += 1
            collect = self.step % LOG_EVERY == 0 or self.step == self.steps
            if collect:
                self._collect()
                for writer, loss in zip(self.writers, self.losses, strict=False):
                    writer.log("step", **self._position(), loss=loss, lr=self.stepper.lr)
            self.progress.advance(batches[0].total * len(batches), self.loss)
            if collect or self.ranks.world == 1:  # asking the others takes time
                self._stop_or_save(request)

    def _collect(self) -> None:
        """Add up the losses and hits since the last call, bring the losses to the CPU and check them."""
        if not self.recent:
            return
        losses = torch.stack([recent.losses for recent in self.recent]).double()
        hits = torch.stack([recent.hits for recent in self.recent]).double()
        losses, hits = self.ranks.sum(torch.stack([losses, hits])).cpu().tolist()
        first = self.step - len(self.recent) + 1
        for i, recent in enumerate(self.recent):
            for loss, right, total in zip(losses[i], hits[i], self.totals, strict=True):
                self._check_finite(loss, "loss", first + i, recent.lr)
                total[0] += loss * recent.total  # step by step: a run that was cut adds in the same order
                total[1] += right
        self.recent = []
        self.losses: list[float] = losses[-1]
        self.loss = sum(self.losses) / len(self.losses)

    def _end_epoch(self) -> None:
        """Evaluate and record the epoch, and perhaps save."""
        self._collect()
        totals = [[value / len(self.images) for value in total] for total in self.totals]
        name, images = (TEST, self.data.test) if self.validation is None else (VALIDATION, self.validation)
        networks = self.stepper.networks()
        due = self.epoch % self.config.evaluate_every == 0 or self.epoch == self.config.epochs
        for i, (network, track, (loss, accuracy)) in enumerate(zip(networks, self.tracks, totals, strict=True)):
            track.last = result = self._evaluate(network, images, name) if due else None
            train = {"train_loss": loss, "train_accuracy": accuracy}
            track.metrics = {**self._position(), **train, **(_metrics(name, result) if result else {})}
            if self.writers:
                self.writers[i].log("epoch", **track.metrics)
            if self.config.patience and result and result.accuracy > track.best_accuracy:
                track.best_epoch, track.best_accuracy, track.best = self.epoch, result.accuracy, cpu_copy(network)
        self._log_leakage(networks, self.epoch)
        shown, key = (name, f"{name}_accuracy") if due else ("training", "train_accuracy")
        means = [_mean([track.metrics[each] for track in self.tracks]) for each in ("train_loss", key)]
        self.progress.end_epoch(self.epoch, self.config.epochs, *means, images=shown)
        self.epoch, self.batch = self.epoch + 1, 0
        self.totals = self._zeros()
        if self.ranks.any(time.perf_counter() - self.saved >= EPOCH_SHARE * 60 * self.execution.checkpoint_minutes):
            self._save()

    def _finish(self) -> list[TrainedNetwork]:
        """The last weights, or the best epoch's, and what they do on the test set."""
        trained = []
        for i, (network, track) in enumerate(zip(self.stepper.networks(), self.tracks, strict=True)):
            last = track.last
            if track.best is not None:
                network.load_state_dict(track.best)
                last = None
            result = TrainedNetwork(network)
            name, images = (TEST, self.data.test) if self.validation is None else (VALIDATION, self.validation)
            result.evaluations[name] = last or self._evaluate(network, images, name), images
            if self.validation is not None and self.config.purpose == "result":
                result.evaluations[TEST] = self._evaluate(network, self.data.test, TEST), self.data.test
            if self.config.test_augment and TEST in result.evaluations:
                augmented = AugmentedNetwork(network)
                result.evaluations[TEST_AUGMENTED] = self._evaluate(augmented, self.data.test, TEST), self.data.test
            metrics: Metrics = {"kept_epoch": track.best_epoch} if self.config.patience else {}
            for name, (evaluation, _) in result.evaluations.items():
                if name == TEST_AUGMENTED:
                    metrics["test_accuracy_tta"] = evaluation.accuracy
                else:
                    metrics |= _metrics(name, evaluation)
            if self.writers:
                self.writers[i].log("final", **{**track.metrics, **metrics})
            trained.append(result)
        return trained

    def _evaluate(self, network: nn.Module, images: Images, name: str) -> Predictions:
        result = evaluate(network, images, self.ranks.device, self.ranks, self.execution.workers)
        self._check_finite(result.loss, f"{name} loss", self.step, self.stepper.lr)
        return result

    def _log_leakage(self, networks: Sequence[nn.Module], epoch: int) -> None:
        """L(1/8) and L(1/4) of the single kernels of each layer; epoch 0 is before training."""
        for writer, network in zip(self.writers, networks, strict=False):
            writer.log("leakage", **{**self._position(), "epoch": epoch}, leakage=pair_leakage(network))

    def _stop_or_save(self, request: StopRequest) -> None:
        """Save where it is time, and where a signal asks to stop, which is then done."""
        due = time.perf_counter() - self.saved >= 60 * self.execution.checkpoint_minutes
        stop = self.ranks.any(bool(request))
        if stop or self.ranks.any(due):
            self._save()
        if stop:
            raise Stopped(request.signal or SIGTERM)

    def _save(self) -> None:
        """Write a checkpoint of each run, if its weights are sound."""
        self._collect()
        if not all_finite([self.stepper.replicas]):
            self._check_finite(math.nan, "largest weight", self.step, self.stepper.lr)
        for i, writer in enumerate(self.writers):
            track = self.tracks[i]
            mark = writer.log_mark()
            state = {
                "epoch": self.epoch,
                "batch": self.batch,
                "totals": self.totals[i],
                "figures": track.metrics,
                "best_epoch": track.best_epoch,
                "best_accuracy": track.best_accuracy,
                "time_s": self._seconds(),
                "logged": mark.length,
                "logged_sha256": mark.sha256,
                **self.stepper.scalars(),
            }
            tensors = self.stepper.capture(i) | ({} if track.best is None else {"best": track.best})
            save_checkpoint(writer.folder, Checkpoint(self.step, tensors, state), self.execution.keep_checkpoints)
        self.saved = time.perf_counter()

    def _restore(self, checkpoints: Sequence[Checkpoint]) -> None:
        state = checkpoints[0].state
        self.step, self.epoch, self.batch = checkpoints[0].step, state["epoch"], state["batch"]
        self.earlier = state["time_s"]
        self.stepper.restore([dict(c.tensors) for c in checkpoints], dict(state))
        self.totals = [list(c.state["totals"]) for c in checkpoints]
        for track, checkpoint in zip(self.tracks, checkpoints, strict=True):
            track.metrics = dict(checkpoint.state["figures"])
            track.best_epoch, track.best_accuracy = (checkpoint.state[k] for k in ("best_epoch", "best_accuracy"))
            track.best = dict(checkpoint.tensors["best"]) if "best" in checkpoint.tensors else None

    def _out_of_patience(self) -> bool:
        patience = self.config.patience
        return patience is not None and self.epoch - 1 - self.tracks[0].best_epoch >= patience

    def _seen(self) -> int:
        """Images that the epochs and batches so far have had."""
        return (self.epoch - 1) * len(self.images) + self.batch * self.config.batch_size

    def _zeros(self) -> list[list[float]]:
        """Of each network the sum of losses and the hits in the epoch so far, over all processes."""
        return [[0.0, 0.0] for _ in self.configs]

    def _seconds(self) -> float:
        return round(self.earlier + time.perf_counter() - self.started, 3)

    def _position(self) -> Metrics:
        return {"step": self.step, "epoch": self.epoch, "time_s": self._seconds()}

    def _check_finite(self, value: float, what: str, step: int, lr: float) -> None:
        if math.isfinite(value):
            return
        kept = newest_step(self.writers[0].folder) if self.writers else None
        last = "there is no checkpoint yet" if kept is None else f"the last good checkpoint is step-{kept}"
        raise Diverged(f"the {what} is {value} at step {step} with lr={lr:g}; train with a smaller --lr ({last})")


def _metrics(name: str, result: Predictions) -> Metrics:
    return {f"{name}_loss": result.loss, f"{name}_accuracy": result.accuracy}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
