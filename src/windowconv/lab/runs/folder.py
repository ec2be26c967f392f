"""The run folder: what a training writes and everything else reads. docs/run-folder.md is its contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from windowconv.checkpoint import load_weights, read_header
from windowconv.errors import InputError
from windowconv.finite import check_finite
from windowconv.lab.config import RunConfig
from windowconv.lab.models.algorithm_choice import restore_algorithms
from windowconv.lab.models.build import from_header
from windowconv.lab.runs.log import read_log
from windowconv.lab.runs.records import read_json
from windowconv.lab.runs.schemas import EvaluationRecord, RunRecord

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Run:
    """A run folder that can be read."""

    folder: Path
    record: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Run:
        """The run in `folder`; an `InputError` if there is none, or of another schema version."""
        if not (folder / "run.json").is_file():
            raise InputError(f"run={str(folder)!r} is not a run folder (it has no run.json)")
        return cls(folder, read_run_record(folder))

    @property
    def is_finished(self) -> bool:
        """Whether it was trained to the end."""
        return self.record["status"] == "finished"

    @property
    def config(self) -> RunConfig:
        """The run's settings."""
        given = self.record["config"]
        try:
            return RunConfig.from_record(given)
        except InputError as error:
            raise InputError(f"{self.folder.name}: run.json has another version's config: {error}") from error

    @property
    def weights(self) -> Path:
        """The last weights' file."""
        path = self.folder / WEIGHTS
        if not path.is_file():
            status = self.record["status"]
            raise InputError(f"{self.folder.name} has no weights (its status is {status!r}); train it to the end")
        return path

    def model(self) -> nn.Module:
        """The trained network, in evaluation mode, computing as in its training: algorithms and memory format.

        Raises:
            InputError: no weights, those of another network, or with NaN or infinite values.
        """
        model = from_header(read_header(self.weights))
        load_weights(model, self.weights)
        try:
            check_finite(model)
        except InputError as error:
            raise InputError(f"{self.folder.name}: {error}") from None
        restore_algorithms(model, self.record["numerics"]["algorithm"])
        layout: Any = {"memory_format": torch.channels_last}
        return model.to(**layout).eval()

    def metrics(self, kind: str) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl of one kind: step, epoch, leakage or final."""
        return read_log(self.folder, (kind,))

    def final(self) -> dict[str, Any]:
        """The last line of metrics.jsonl, which a run that was trained to the end has; with the accuracies that its
        settings ask for."""
        lines = self.metrics("final")
        if not lines:
            raise InputError(f"{self.folder.name} was not trained to the end (metrics.jsonl has no final line)")
        config = self.config
        measured = ["val"] if config.val_fraction else []
        measured += ["test"] if config.purpose == "result" or not config.val_fraction else []
        for key in (f"{name}_{metric}" for name in measured for metric in ("loss", "accuracy")):
            if key not in lines[-1]:
                raise InputError(
                    f"{self.folder.name}: metrics.jsonl is damaged ({key!r} is missing in its final line); "
                    "train the run again"
                )
        return lines[-1]

    def evaluation(self, name: str = "test") -> dict[str, Any]:
        """What `evaluate` measured under this name."""
        return read_json(self.folder / "evaluations" / f"{name}.json", EvaluationRecord)


def read_run_record(folder: Path) -> dict[str, Any]:
    """run.json of a folder; an `InputError` if it cannot be used."""
    return read_json(folder / "run.json", RunRecord, f"remove {folder} and train again")


def finished_run(folder: Path) -> Run | None:
    """The finished run in a folder; None if there is no run yet, or one that was not trained to the end."""
    if not (folder / "run.json").is_file():
        return None
    run = Run.open(folder)
    return run if run.is_finished else None


def finished_before(folder: Path, config: RunConfig, data: Mapping[str, Any]) -> Run | None:
    """The run in a folder, if it is finished and has these settings and images; None where none is finished.

    Args:
        folder: the run folder.
        config: the settings.
        data: the images, as run.json describes them.

    Raises:
        InputError: a finished run of other settings or images.
    """
    found = finished_run(folder)
    if found is not None and (found.record["config_hash"], found.record["data"]) != (config.config_hash, dict(data)):
        raise InputError(
            f"out={str(folder)!r} holds a finished run of other settings or images; choose another --out, or remove "
            "that folder"
        )
    return found
