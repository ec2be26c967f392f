"""Writing a run folder while the run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from windowconv.errors import InputError
from windowconv.lab.config import RunConfig
from windowconv.lab.data import ImageData
from windowconv.lab.models.algorithm_choice import NUMERICS
from windowconv.lab.models.matching import NetworkSpec
from windowconv.lab.runs.checkpoints import remove_checkpoints
from windowconv.lab.runs.environment import environment, git_commit, load_average
from windowconv.lab.runs.folder import read_run_record
from windowconv.lab.runs.log import LogMark, RunLog
from windowconv.lab.runs.records import write_json
from windowconv.lab.runs.tensorboard import TensorBoardWriter
from windowconv.phases import phase


def run_record(
    name: str,
    config: RunConfig,
    data: ImageData,
    spec: NetworkSpec,
    device: torch.device,
    algorithms: Mapping[str, str],
    processes: int = 1,
) -> dict[str, Any]:
    """What run.json says when a run begins."""
    return {
        "name": name,
        "created": _now(),
        "status": "running",
        "reason": None,
        "config": asdict(config),
        "config_hash": config.config_hash,
        "data": describe_data(data),
        "network": {"builder": spec.builder, **spec.size()},
        "seed": config.seed,
        "numerics": {
            "version": NUMERICS,
            "precision": config.precision,
            "algorithm": dict(algorithms),
            "memory_format": "channels_last" if config.channels_last else "contiguous",
            "compiled": config.compile,
            "processes": processes,
            "deterministic": device.type == "cpu",
        },
        "environment": environment(device),
        "git": git_commit(),
        "load": {"start": load_average(), "end": None},
        "command": config.command,
        "resumed": [],
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class RunWriter:
    """Writes a run folder while the run goes on; `recording` makes one.

    Args:
        folder: the run folder.
        record: what run.json says; an earlier run's files are removed.
        resume: the step of the checkpoint from which an earlier run in the folder goes on, and how far its log was;
            its record then stays.
        tensorboard: write metrics for TensorBoard too.
    """

    def __init__(
        self,
        folder: Path,
        record: dict[str, Any],
        resume: tuple[int, LogMark] | None = None,
        tensorboard: bool = False,
    ) -> None:
        self.folder = folder
        self._tensorboard = TensorBoardWriter(folder, resume[0] if resume else 0) if tensorboard else None
        if resume:
            self.record = read_run_record(folder)
            del self.record["schema_version"]
            self.record.update(status="running", reason=None)
            environment = record["environment"]
            self.record["resumed"].append({"step": resume[0], "at": _now(), "environment": environment})
            self._write()
            self._log = RunLog(folder, resume[1])
            return
        self.record = record
        self._write()
        self._log = RunLog(folder)
        remove_checkpoints(folder)
        try:  # what an earlier run left is not this one's
            (folder / "model.safetensors").unlink(missing_ok=True)
            for old in (folder / "evaluations").glob("*"):
                old.unlink()
        except OSError as error:
            raise InputError(f"{folder}: an earlier run's files cannot be removed: {error.strerror}") from error

    def log(self, kind: str, **metrics: Any) -> None:
        """Append a line to metrics.jsonl."""
        self._log.append(kind, **metrics)
        if self._tensorboard:
            self._tensorboard.add(kind, metrics)

    def log_mark(self) -> LogMark:
        """How far metrics.jsonl is, for a checkpoint."""
        return self._log.mark()

    def end(self, status: str, reason: str | None = None) -> None:
        """Set how the run ended: finished, stopped or failed."""
        if self._tensorboard:
            self._tensorboard.close()
        load = {**self.record.get("load", {}), "end": load_average()}  # earlier versions' records have none
        self.record.update(status=status, reason=reason, load=load)
        self._write()

    def _write(self) -> None:
        write_json(self.folder / "run.json", self.record)


@contextmanager
def recording(
    folder: Path,
    record: dict[str, Any],
    resume: tuple[int, LogMark] | None = None,
    tensorboard: bool = False,
) -> Iterator[RunWriter]:
    """A writer whose run is marked finished, stopped or failed when the block is left."""
    writer = RunWriter(folder, record, resume, tensorboard)
    try:
        yield writer
    except KeyboardInterrupt as stop:
        with suppress(InputError):
            writer.end("stopped", str(stop) or "interrupted")
        raise
    except BaseException as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        for path in (folder.resolve(), folder):  # a record names no machine's folders
            reason = reason.replace(str(path), folder.name)
        with suppress(InputError):  # where the disk is full, that it is full is what counts
            writer.end("failed", reason)
        raise
    writer.end("finished")


def describe_data(data: ImageData) -> dict[str, Any]:
    """What run.json says of the images."""
    with phase("hashing the images"):
        hashes = {"train_hash": data.train.content_hash, "test_hash": data.test.content_hash}
    return {
        "source": data.name,
        "train": len(data.train),
        "test": len(data.test),
        **hashes,
        "classes": list(data.classes),
        "channels": data.channels,
        "image_size": list(data.image_size),
        **({"left_out": list(data.left_out)} if data.left_out else {}),
    }
