"""How long runs take, from measured throughputs and declared figures: no run is timed here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from windowconv.lab.config import Training
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.models.matching import network_spec
from windowconv.lab.recipes import find_recipe
from windowconv.lab.studies.execution.dry_run import PUBLIC, cut
from windowconv.lab.studies.execution.estimate import PASSES, images_of_a_run, steps_of_a_run
from windowconv.lab.studies.execution.hardware import H200

FILE = Path("results/training.json")
"""Written by `python -m benchmarks.training`."""
MEASURED = {"cifar10-paper": "cifar10-paper", "cifar10-small": "cifar10-small", "resnet18": "imagenet-resnet18-paper"}
"""The networks that were measured, by their name in the file: each is a recipe's, on its images."""
WIDE = 64
"""Channels of the small network's first layer, from which it is more like the paper's than like the small recipes'."""


@dataclass(frozen=True)
class Run:
    """A run to be timed.

    Args:
        data: a public data set.
        arm: as in `parse_arm`.
        training: its settings.
    """

    data: str
    arm: str
    training: Training


class Throughput:
    """Measured seconds of a training step on one image.

    Args:
        checkout: where the file lies.
    """

    def __init__(self, checkout: Path) -> None:
        self.file = checkout / FILE

    @cached_property
    def _record(self) -> dict[str, Any]:
        return json.loads(self.file.read_text(encoding="utf-8")) if self.file.is_file() else {"rows": {}}

    @property
    def machine(self) -> str:
        """What was measured, in a few words; empty where nothing was."""
        known = self._record.get("environment", {})
        return f"{known['processor']}, {known['threads']} threads, torch {known['torch']}" if known else ""

    def seconds(self, run: Run) -> float | None:
        """Of a run, as long for each multiply-add as the measured network that is most like it; None if there is none.

        A small network's arm with another kernel counts as the measured one of 3x3 or of 7x7, with or without window.
        """
        name = _likest(run.training)
        arm = parse_arm(run.arm)
        measured = "3x3" if arm.kernel_size == 3 else "7x7" if arm.window is None else "7x7-hamming"
        row = self._record["rows"].get(f"speed/{name}/{measured}/fp32/eager")
        if row is None or name is None:
            return None
        recipe = find_recipe(MEASURED[name])
        there = _macs(Run(recipe.data, measured, recipe.training))
        return median(row["samples"]["ours"]) * _images(run) * _macs(run) / there


def h200_seconds(run: Run) -> float:
    """Seconds of a run on one H200: an estimate from declared figures, see `hardware`."""
    task = cut(PUBLIC[run.data], run.training)
    macs = PASSES * _images(run) * _macs(run)
    return H200.seconds(macs, steps_of_a_run(run.training, task), run.training.precision)


def _likest(training: Training) -> str | None:
    if training.network == "small":
        return "cifar10-paper" if training.width >= WIDE else "cifar10-small"
    return "resnet18" if training.network in ("resnet18", "vgg11-bn") and training.image_size == 224 else None


def _images(run: Run) -> float:
    return images_of_a_run(run.training, cut(PUBLIC[run.data], run.training))


def _macs(run: Run) -> int:
    """Multiply-adds of one image forward."""
    task = cut(PUBLIC[run.data], run.training)
    return network_spec(run.training, run.arm, 0, task.classes, task.image).macs
