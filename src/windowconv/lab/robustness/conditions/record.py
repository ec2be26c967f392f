"""Records of measurements on N test images, `evaluations/NAME-on-N.json`, and of answers under conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.evaluations.records import read_tensors, record_path
from windowconv.lab.robustness.conditions.catalogue import CLEAN
from windowconv.lab.robustness.conditions.schemas import ConditionsRecord, HeatMapRecord, ShiftsRecord
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import damaged, read_json

CONDITIONS, SHIFTS, HEAT_MAP = "conditions", "shifts", "heat-map"
RECORDS = {CONDITIONS: ConditionsRecord, SHIFTS: ShiftsRecord, HEAT_MAP: HeatMapRecord}


def path_of(run: Run, name: str, n: int) -> Path:
    """The record of a measurement on n images: one on fewer replaces none on more."""
    return record_path(run, f"{name}-on-{n}")


def read_measurement(run: Run, name: str, n: int) -> dict[str, Any]:
    """The record of "conditions", "shifts" or "heat-map" on n images."""
    path = path_of(run, name, n)
    record = read_json(path, RECORDS[name])
    figures = record["figures"]
    if name == SHIFTS and len(figures["shifts"]) != len(record["reaches"]):
        raise damaged(path, "'figures.shifts' has other entries than 'reaches'")
    if name == HEAT_MAP and [len(row) for row in figures["error"]] != [len(figures["columns"])] * len(figures["rows"]):
        raise damaged(path, "'figures.error' has other rows or columns than its frequencies")
    return record


@dataclass(frozen=True)
class Answers:
    """Which test images a run's network classifies right under conditions.

    Attributes:
        record: conditions-on-N.json.
        correct: bool (n,) by the condition's name, "clean" among them, in the test set's order.
    """

    record: dict[str, Any]
    correct: dict[str, Tensor]

    @classmethod
    def read(cls, run: Run, n: int) -> Answers:
        """The answers on n images; an `InputError` if they are missing, or incomplete."""
        path = path_of(run, CONDITIONS, n)
        record, correct = read_json(path, ConditionsRecord), read_tensors(path)
        if CLEAN.name not in record["conditions"]:
            raise damaged(path, f"'conditions.{CLEAN.name}' is missing")
        missing = [name for name in record["conditions"] if name not in correct or len(correct[name]) != record["n"]]
        if missing:
            raise InputError(
                f"{run.folder.name}: evaluations/{path.stem}.safetensors lacks {missing[0]!r}; remove {path.name} and "
                "measure again"
            )
        return cls(record, {name: correct[name] for name in record["conditions"]})


def shared_count(runs: Sequence[Run], name: str, count: int | None = None) -> int:
    """The largest number of images on which all runs have a measurement.

    Args:
        runs: measured.
        name: of the measurement.
        count: this number, if given.

    Raises:
        InputError: there is none.
    """
    shared: set[int] | None = None
    for run in runs:
        found = [path.stem.rpartition("-on-") for path in (run.folder / "evaluations").glob(f"{name}-on-*.json")]
        counts = {int(n) for before, _, n in found if before == name and n.isdigit()}
        shared = counts if shared is None else shared & counts
        if not shared or (count is not None and count not in shared):
            images = "" if count is None else f" on {count} images"
            images = images or ("" if not counts else " on as many images as the others")
            raise InputError(f"{run.folder.name} has no evaluations/{name}-on-N.json{images}; measure it first")
    assert shared
    return max(shared) if count is None else count
