"""What a study will take: runs, multiply-adds, the time here from measured steps, the time on other machines."""

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
from windowconv.lab.progress import duration
from windowconv.lab.studies.execution.hardware import OTHER_MACHINES, Machine
from windowconv.tables import Shown, TextTable

FEW = 2
GROWTH = 4
STEP_SECONDS = 1.0
"""A measured step begins with FEW images, which grow by GROWTH while it takes less than about so long."""
REPEATS = 3
PASSES = 3
"""Passes of a training step: forward, gradient of the features, gradient of the weights."""
EVALUATION = 1 / PASSES
"""Time to evaluate an image, in units of a training step on it: one forward pass."""


@dataclass(frozen=True)
class Task:
    """The data set, as far as it is known without reading it.

    Attributes:
        train, test: numbers of images.
        classes: number of classes.
        image: shape of an image (C, H, W).
    """

    train: int
    test: int
    classes: int
    image: tuple[int, int, int]


@dataclass(frozen=True)
class VariantEstimate:
    """What the runs of one variant will take.

    Attributes:
        variant: its name.
        runs: number to be trained.
        reused: number of finished runs that are taken over.
        network: its size.
        macs: multiply-adds of a run: three passes of each training image in each epoch, one of each image evaluated.
        steps: of SGD in a run.
        seconds: of a run here, from measured steps.
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
class Estimate(Shown):
    """What a whole study will take; prints as a table.

    Attributes:
        variants: one estimate each.
        processes: at work side by side on this machine.
        threads: of each process.
    """

    variants: Sequence[VariantEstimate]
    processes: int
    threads: int

    @property
    def seconds(self) -> float:
        """Seconds here."""
        return sum(each.runs * each.seconds for each in self.variants) / self.processes

    def seconds_on(self, machine: Machine) -> float:
        """Seconds on another machine, where the next run, longest first, starts on the first free accelerator."""
        runs: list[float] = []
        for each in self.variants:
            runs += [machine.seconds(each.macs, each.steps, each.precision)] * each.runs
        loads = [0.0] * machine.count
        for seconds in sorted(runs, reverse=True):
            loads[loads.index(min(loads))] += seconds
        return max(loads)

    def parts(self) -> list[TextTable | str]:
        header = ["variant", "runs", "reused", "parameters", "multiply-adds", "in a run", "time a run"]
        rows = [
            [
                each.variant,
                each.runs,
                each.reused,
                each.network.parameters,
                counted(each.network.macs),
                counted(each.macs),
                duration(each.seconds),
            ]
            for each in self.variants
        ]
        return [TextTable(header, rows, [False] + [True] * 6), "", *self._totals()]

    def _totals(self) -> list[str]:
        runs = sum(each.runs for each in self.variants)
        macs = sum(each.runs * each.macs for each in self.variants)
        lines = [f"In all: {runs} runs to train, {counted(macs)} multiply-adds."]
        many = f"{self.processes} process{'es' if self.processes > 1 else ''} of {self.threads} thread"
        many += "s" if self.threads > 1 else ""
        lines.append(f"Here, {many}: about {duration(self.seconds)} (from steps measured just now).")
        lines += [
            f"On {machine.name}: about {duration(self.seconds_on(machine))}. "
            "An estimate from declared figures, not a measurement."
            for machine in OTHER_MACHINES
        ]
        lines.append(f"({OTHER_MACHINES[0].source}.)")
        return lines


def counted(number: float) -> str:
    """A number with an SI prefix and three digits.

    >>> counted(950), counted(1_810_000_000)
    ('950', '1.81 G')
    """
    for power, prefix in ((18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if number >= 10**power:
            return f"{number / 10**power:.3g} {prefix}"
    return f"{number:.0f}"


def estimate_variant(
    variant: str,
    training: Training,
    spec: NetworkSpec,
    task: Task,
    pins: Pins,
    execution: Execution,
    counts: Mapping[str, int],
) -> VariantEstimate:
    """What a variant's runs will take; its training step is measured.

    Args:
        variant: its name.
        training: its settings.
        spec: its network.
        task: the data set.
        pins: each layer's algorithm.
        execution: device and threads.
        counts: the numbers of "runs" to train and of "reused" ones.
    """
    each = seconds_an_image(spec, training, task, pins, execution)
    trained = images_of_a_run(training, task)
    return VariantEstimate(
        variant,
        counts["runs"],
        counts["reused"],
        spec,
        PASSES * float(spec.macs) * trained,
        steps_of_a_run(training, task),
        each * trained,
        training.precision,
    )


def images_of_a_run(training: Training, task: Task) -> float:
    """What a run computes, in training steps on one image without attacks; an evaluation of one is a part of that."""
    train = _trained_on(training, task)
    evaluated = task.test if not training.val_fraction else task.train - train
    evaluations = -(-training.epochs // training.evaluate_every) * evaluated
    work = training_work(training) * mean_area(training, task.image)
    return training.epochs * train * work + EVALUATION * evaluations


def steps_of_a_run(training: Training, task: Task) -> int:
    """Steps of SGD."""
    return training.epochs * -(-_trained_on(training, task) // training.batch_size)


def _trained_on(training: Training, task: Task) -> int:
    return round(task.train * (1 - training.val_fraction)) if training.val_fraction else task.train


def training_work(training: Training) -> float:
    """Work of a training step, in steps without attacks: an attack's step takes two passes."""
    steps = {"none": 0, "fgsm": 1, "pgd": training.adversarial_steps}[training.adversarial]
    return 1 + steps * (PASSES - 1) / PASSES


def mean_area(training: Training, shape: tuple[int, int, int]) -> float:
    """The mean area of the images that are trained on, over their area: the first epochs may see smaller ones."""
    if training.start_size is None:
        return 1.0
    small = training.start_size**2 / (shape[1] * shape[2])
    return 1 - training.start_share * (1 - min(small, 1.0))


def seconds_an_image(spec: NetworkSpec, training: Training, task: Task, pins: Pins, execution: Execution) -> float:
    """Seconds that training on one image takes here: the fastest of three steps on noise, after one to warm up.

    The step has as many images as it can in a second or so, up to the batch: few would hide what large batches gain.
    """
    device = torch.device(execution.device)
    network = build(spec.builder, spec.arguments).to(device).train()
    restore_algorithms(network, pins)
    largest = max(2, min(training.batch_size, task.train))
    count = min(largest, FEW) if device.type == "cpu" else largest
    while True:
        images, labels = _noise(count, task, device)
        times = [_step(network, images, labels, training.precision) for _ in range(1 + REPEATS)]
        if count == largest or min(times) > STEP_SECONDS / GROWTH:
            return min(times[1:]) / count
        count = min(largest, GROWTH * count)


def _noise(count: int, task: Task, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """So many images of the task's shape, floats (N, C, H, W), and labels, on the device."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, *task.image, generator=generator).to(device)
    labels = torch.randint(task.classes, (count,), generator=generator).to(device)
    return images.contiguous(memory_format=torch.channels_last), labels


def _step(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, precision: str) -> float:
    """Seconds of a forward and a backward pass.

    Args:
        network: on the device of the images.
        images: floats (N, C, H, W).
        labels: classes (N,).
        precision: "fp32", "tf32", "bf16" or "fp16".
    """
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    started = time.perf_counter()
    with torch.autocast(images.device.type, kind, enabled=kind is not None):
        loss = F.cross_entropy(network(images).float(), labels)
    loss.backward()
    if images.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started
