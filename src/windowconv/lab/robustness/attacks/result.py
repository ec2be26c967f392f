"""What an attack found, image by image: in memory, and in the run folder's `evaluations/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.evaluations.records import read_tensors, write_record
from windowconv.lab.robustness.attacks.catalogue import find_attack
from windowconv.lab.robustness.attacks.norms import UNITS, Unit
from windowconv.lab.robustness.attacks.schemas import AttackRecord
from windowconv.lab.runs.records import read_json

EXAMPLES = 6
"""Adversarial images that are kept, to be shown."""
TENSORS = ("indices", "clean", "broken", "distance", "examples", "example_places", "power")


@dataclass(frozen=True)
class AttackResult:
    """An attack on a run's network: what happened to each of N images.

    Attributes:
        record: the JSON file.
        indices: int64 (N,), the images' positions in the test set.
        clean: bool (N,), classified right before the attack.
        broken: bool (budgets, N), classified wrong at a budget; true too for what was wrong before.
        distance: float64 (N,), for attacks that look for the smallest change: its size in `unit`, 0 for what was wrong
            before, infinity where none was found. None for others.
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
        """The attack's full name."""
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
        """Whether it serves the sanity checks only."""
        return self.record["check"]

    @property
    def robust(self) -> Tensor:
        """bool (budgets, N): classified right at the budget."""
        return ~self.broken

    def robust_accuracy(self, among: Tensor | None = None) -> list[float]:
        """The share of images classified right at each budget.

        Args:
            among: bool (N,), the images that count; None for all.

        Returns:
            One share for each budget; NaN if no image counts.
        """
        robust = self.robust if among is None else self.robust[:, among]
        return robust.double().mean(1).tolist() if robust.shape[1] else [float("nan")] * len(robust)

    def values(self) -> dict[str, Any]:
        """The record's "figures"."""
        values: dict[str, Any] = {
            "n": len(self.clean),
            "clean_accuracy": self.clean.double().mean().item(),
            "robust_accuracy": self.robust_accuracy(),
        }
        if self.distance is not None:
            found = torch.isfinite(self.distance) & self.clean
            values["median_distance"] = median_distance(self.distance[self.clean])
            values["found"] = int(found.sum())
        return values


def median_distance(distances: Tensor) -> float | None:
    """The median of distances (N,); None where it is not finite: half of the images or more withstood, or N is 0."""
    if not len(distances):
        return None
    middle = distances.double().quantile(0.5, interpolation="lower").item()
    return middle if middle < float("inf") else None


def path_of(folder: Path, label: str, images: int) -> Path:
    """The JSON file of an attack on so many images: one on fewer images replaces none on more."""
    return folder / "evaluations" / f"attack-{label}-on-{images}.json"


def save(folder: Path, result: AttackResult, status: str, done: int) -> None:
    """Write a result, or the part of it on the first `done` images."""
    tensors = {name: held for name in TENSORS if (held := getattr(result, name)) is not None}
    figures = result.values() if status == "finished" else None
    record = {**result.record, "status": status, "done": done, "figures": figures}
    write_record(path_of(folder, result.label, len(result.indices)), record, tensors)


def load(folder: Path, label: str, images: int) -> AttackResult:
    """The result of an attack on so many images.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = path_of(folder, label, images)
    if not path.is_file():
        raise InputError(f"{folder.name} has no result of the attack {label!r}; run windowconv attack on it")
    record = read_json(path, AttackRecord)
    del record["schema_version"]
    find_attack(record["attack"])
    tensors = read_tensors(path)
    if missing := [name for name in TENSORS if name not in tensors and name != "distance"]:
        raise InputError(
            f"{folder.name}: {path.stem}.safetensors lacks {missing[0]!r}; remove {path.name} and attack again"
        )
    images = len(tensors["indices"])
    if tensors["broken"].shape != (len(record["budgets"]), images) or tensors["clean"].shape != (images,):
        raise InputError(
            f"{folder.name}: {path.stem}.safetensors is of other budgets or images; remove {path.name} and attack again"
        )
    return AttackResult(record, **{name: tensors.get(name) for name in TENSORS})  # pyright: ignore[reportArgumentType]


def finished(folder: Path) -> list[AttackResult]:
    """All finished attacks on a run, in the order in which they were run."""
    found = []
    for file in sorted((folder / "evaluations").glob("attack-*.json")):
        label, _, images = file.stem.removeprefix("attack-").rpartition("-on-")
        if not (label and images.isdigit()):
            continue
        result = load(folder, label, int(images))
        if result.record["status"] == "finished":
            found.append(result)
    return sorted(found, key=lambda result: result.record["created"])
