"""What an attack came to, image by image: in memory, and in the run folder's `evaluations/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from windowconv.errors import InputError, require
from windowconv.files import replace_file
from windowconv.lab.robustness.attacks.catalogue import find_attack
from windowconv.lab.robustness.attacks.norms import UNITS, Unit
from windowconv.lab.runs.records import read_json, write_json

EXAMPLES = 6
"""Adversarial images that are kept to be looked at."""


@dataclass(frozen=True)
class Outcome:
    """An attack on a run's network.

    Attributes:
        record: what the JSON file says.
        indices: int64 (N,), the images' places in the test set.
        clean: bool (N,), classified right before the attack.
        broken: bool (budgets, N), classified wrong at a budget; what was wrong before is.
        distance: float64 (N,) for attacks that look for the smallest change: its size, 0 for what was wrong before,
            infinity where none was found. None for others.
        examples: float32 (E, C, H, W), adversarial images at the budget `record["shown"]`, of those classified right.
        example_places: int64 (E,), which of the N images they are.
        power: float64 (H, W), the mean power spectrum of the perturbations at that budget, zero frequency first.
    """

    record: dict[str, Any]
    indices: Tensor
    clean: Tensor
    broken: Tensor
    distance: Tensor | None
    examples: Tensor
    example_places: Tensor
    power: Tensor

    @property
    def label(self) -> str:
        """The attack with its settings."""
        return self.record["name"]

    @property
    def title(self) -> str:
        """The attack as people call it."""
        return find_attack(self.record["attack"]).title

    @property
    def unit(self) -> Unit:
        """What budgets count."""
        return UNITS[self.record["unit"]]

    @property
    def budgets(self) -> tuple[float, ...]:
        """The budgets, ascending."""
        return tuple(self.record["budgets"])

    @property
    def check(self) -> bool:
        """Whether it only serves the sanity checks."""
        return self.record["check"]

    @property
    def robust(self) -> Tensor:
        """bool (budgets, N): classified right at the budget."""
        return ~self.broken

    def robust_accuracy(self, among: Tensor | None = None) -> list[float]:
        """The share of images still classified right at each budget, of all or of those in a mask (N,).

        NaN where the mask holds none.
        """
        robust = self.robust if among is None else self.robust[:, among]
        return robust.double().mean(1).tolist() if robust.shape[1] else [float("nan")] * len(robust)

    def figures(self) -> dict[str, Any]:
        """What the JSON file says of it."""
        figures = {
            "n": len(self.clean),
            "clean_accuracy": self.clean.double().mean().item(),
            "robust_accuracy": self.robust_accuracy(),
        }
        if self.distance is not None:
            found = torch.isfinite(self.distance) & self.clean
            figures["median_distance"] = median_distance(self.distance[self.clean])
            figures["found"] = int(found.sum())
        return figures


def median_distance(distances: Tensor) -> float | None:
    """The median; None where it is not finite: half of the images or more withstood, or there are none."""
    if not len(distances):
        return None
    middle = distances.double().quantile(0.5, interpolation="lower").item()
    return middle if middle < float("inf") else None


def path_of(folder: Path, label: str, images: int) -> Path:
    """Where the figures of an attack on so many images are, without the ending: a smaller number replaces no larger."""
    return folder / "evaluations" / f"attack-{label}-on-{images}"


def save(folder: Path, outcome: Outcome, status: str, done: int) -> None:
    """Write both files whole; the tensors first, so that what the JSON file counts is there."""
    target = path_of(folder, outcome.label, len(outcome.indices))
    tensors = {
        name: value.contiguous()
        for name in ("indices", "clean", "broken", "distance", "examples", "example_places", "power")
        if (value := getattr(outcome, name)) is not None
    }
    pack = require("safetensors.torch", "lab").save
    replace_file(target.with_name(target.name + ".safetensors"), pack(tensors))
    figures = outcome.figures() if status == "finished" else None
    record = {**outcome.record, "status": status, "done": done, "figures": figures}
    write_json(target.with_name(target.name + ".json"), record)


def load(folder: Path, label: str, images: int) -> Outcome:
    """The outcome of an attack on so many images; an `InputError` where there is none, or it is damaged."""
    target = path_of(folder, label, images)
    if not target.with_name(target.name + ".json").is_file():
        raise InputError(f"{folder.name} has no outcome of the attack {label!r}; run windowconv attack on it")
    record = read_json(target.with_name(target.name + ".json"))
    del record["schema_version"]
    file = target.with_name(target.name + ".safetensors")
    unpack = require("safetensors.torch", "lab").load_file
    try:
        tensors = unpack(file)
        parts = {name: tensors[name] for name in ("indices", "clean", "broken", "examples", "example_places", "power")}
    except Exception as error:  # safetensors has an error of its own
        raise InputError(
            f"{file.parent.parent.name}: {file.name} is damaged ({error}); remove it and its JSON"
        ) from error
    return Outcome(record, distance=tensors.get("distance"), **parts)


def finished(folder: Path) -> list[Outcome]:
    """All finished attacks on a run, in the order in which they were run."""
    found = []
    for file in sorted((folder / "evaluations").glob("attack-*.json")):
        label, _, images = file.stem.removeprefix("attack-").rpartition("-on-")
        if not (label and images.isdigit()):
            continue
        outcome = load(folder, label, int(images))
        if outcome.record["status"] == "finished":
            found.append(outcome)
    return sorted(found, key=lambda outcome: outcome.record["created"])
