"""What a study will take, before it starts: runs, multiply-adds, time here by a measured throughput, time elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from windowconv.lab.config import Execution, Training
from windowconv.lab.models.algorithm_choice import Pins, restore_algorithms
from windowconv.lab.models.build import build
from windowconv.lab.models.matching import NetworkSpec
from windowconv.lab.studies.execution.hardware import ELSEWHERE, Machine
from windowconv.lab.training.progress import duration
from windowconv.tables import format_table

WORK = 2e9
"""Multiply-adds of a measured step, forward and backward, at most: a fraction of a second on a core."""
REPEATS = 3
PASSES = 3
"""Of a training step: forward, gradient of the features, gradient of the weights."""
EVALUATION = 1 / PASSES
"""Of a training step's time, an image's evaluation: one forward pass."""


@dataclass(frozen=True)
class Task:
    """What is known of the images without reading them."""

    train: int
    test: int
    classes: int
    image: tuple[int, int, int]


@dataclass(frozen=True)
class Line:
    """The runs of one variant.

    Attributes:
        variant: its name.
        runs: to be trained; `reused`, finished ones.
        network: its size.
        macs: multiply-adds of a whole run: three passes of each training image, one of each test image an epoch.
        steps: of SGD in a run.
        seconds: of a run here, by its measured throughput.
        precision: of its training.
    """

    variant: str
    runs: int
    reused: int
    network: NetworkSpec
    macs: float
    steps: int
    seconds: float
    precision: str


@dataclass(frozen=True)
class Estimate:
    """Of a whole study."""

    lines: Sequence[Line]
    processes: int
    threads: int
    price: float | None = None

    @property
    def seconds(self) -> float:
        """Here, with the processes at work side by side."""
        return sum(line.runs * line.seconds for line in self.lines) / self.processes

    def elsewhere(self, machine: Machine) -> tuple[float, float]:
        """Seconds and dollars there: runs go to whichever of them is free."""
        each = [machine.seconds(line.macs, line.steps, line.precision) for line in self.lines for _ in range(line.runs)]
        loads = [0.0] * machine.count
        for seconds in sorted(each, reverse=True):
            loads[loads.index(min(loads))] += seconds
        return max(loads), sum(each) / 3600 * machine.price

    def __str__(self) -> str:
        header = ["variant", "runs", "reused", "parameters", "multiply-adds", "in a run", "time a run"]
        rows = [
            [
                line.variant,
                line.runs,
                line.reused,
                line.network.parameters,
                counted(line.network.macs),
                counted(line.macs),
                duration(line.seconds),
            ]
            for line in self.lines
        ]
        table = format_table(header, rows, [False] + [True] * 6)
        return "\n".join([table, "", *self._totals()])

    def _totals(self) -> list[str]:
        runs = sum(line.runs for line in self.lines)
        macs = sum(line.runs * line.macs for line in self.lines)
        lines = [f"In all: {runs} runs to train, {counted(macs)} multiply-adds."]
        cost = "" if self.price is None else f", {self.seconds / 3600 * self.price:,.2f} $ at {self.price:g} $/h"
        many = f"{self.processes} process{'es' if self.processes > 1 else ''} of {self.threads} thread"
        many += "s" if self.threads > 1 else ""
        lines.append(f"Here, {many}: about {duration(self.seconds)}{cost} (by steps measured just now).")
        for machine in ELSEWHERE:
            seconds, dollars = self.elsewhere(machine)
            text = f"On {machine.name}: about {duration(seconds)}, {dollars:,.2f} $ at {machine.price:g} $/h and GPU."
            lines.append(f"{text} An estimate from declared figures, not a measurement.")
        lines.append(f"({ELSEWHERE[0].source}.)")
        return lines


def counted(number: float) -> str:
    """A large number as people write it.

    >>> counted(950), counted(1_810_000_000)
    ('950', '1.81 G')
    """
    for power, prefix in ((18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if number >= 10**power:
            return f"{number / 10**power:.3g} {prefix}"
    return f"{number:.0f}"


def line(
    variant: str,
    training: Training,
    spec: NetworkSpec,
    task: Task,
    pins: Pins,
    execution: Execution,
    counts: Mapping[str, int],
) -> Line:
    """The estimate of a variant's runs; its step is measured.

    Args:
        variant: its name.
        training: its settings.
        spec: its network.
        task: the images.
        pins: algorithms.
        execution: device and threads.
        counts: "runs" to train and "reused" ones.
    """
    train = round(task.train * (1 - training.val_fraction)) if training.val_fraction else task.train
    evaluated = task.test if not training.val_fraction else task.train - train
    images, evaluations = training.epochs * train, training.epochs * evaluated
    work = training_work(training)
    each = seconds_an_image(spec, training, task, pins, execution)
    return Line(
        variant,
        counts["runs"],
        counts["reused"],
        spec,
        float(spec.macs) * (PASSES * images * work + evaluations),
        training.epochs * -(-train // training.batch_size),
        each * (images * work + EVALUATION * evaluations),
        training.precision,
    )


def training_work(training: Training) -> float:
    """How much a training step does, in steps of a training without attacks: each of an attack's is two passes."""
    steps = {"none": 0, "fgsm": 1, "pgd": training.adversarial_steps}[training.adversarial]
    return 1 + steps * (PASSES - 1) / PASSES


def seconds_an_image(spec: NetworkSpec, training: Training, task: Task, pins: Pins, execution: Execution) -> float:
    """That training on one image takes here, by a few steps on noise: the fastest of three, after one to warm up."""
    device = torch.device(execution.device)
    most = max(1, int(WORK / (3 * spec.macs)))
    count = min(training.batch_size, task.train, most if device.type == "cpu" else training.batch_size)
    network = build(spec.builder, spec.arguments).to(device).train()
    restore_algorithms(network, pins)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(max(count, 2), *task.image, generator=generator).to(device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(task.classes, (len(images),), generator=generator).to(device)
    times = [_step(network, images, labels, training.precision) for _ in range(1 + REPEATS)]
    return min(times[1:]) / len(images)


def _step(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, precision: str) -> float:
    """Seconds of forward and backward pass."""
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    started = time.perf_counter()
    with torch.autocast(images.device.type, kind, enabled=kind is not None):
        loss = F.cross_entropy(network(images).float(), labels)
    loss.backward()
    if images.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started
