"""The run folder: what a training writes and everything else reads. docs/run-folder.md is its contract."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import windowconv
from windowconv.checkpoint import load_weights, read_header
from windowconv.errors import InputError
from windowconv.files import replace_file
from windowconv.lab.config import RunConfig
from windowconv.lab.data import ImageData
from windowconv.lab.models.algorithm_choice import NUMERICS, restore_algorithms
from windowconv.lab.models.build import from_header
from windowconv.lab.models.matching import NetworkSpec
from windowconv.lab.runs.checkpoints import remove_checkpoints
from windowconv.lab.runs.tensorboard import Board

SCHEMA_VERSION = 1


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON whole, with the schema's version."""
    text = json.dumps({"schema_version": SCHEMA_VERSION, **content}, indent=1, allow_nan=False)
    replace_file(path, (text + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read JSON that `write_json` wrote; an `InputError` for another schema version or damage."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["schema_version"]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise InputError(
            f"{path} is damaged ({reason}); remove that file and run the command that wrote it again"
        ) from error
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {version!r}, this windowconv reads {SCHEMA_VERSION}; "
            "use the windowconv that wrote it"
        )
    return content


def describe_data(data: ImageData) -> dict[str, Any]:
    """What run.json says of the images."""
    return {
        "source": data.name,
        "train": len(data.train),
        "test": len(data.test),
        "train_hash": data.train.content_hash,
        "test_hash": data.test.content_hash,
        "classes": list(data.classes),
        "channels": data.channels,
        "image_size": list(data.image_size),
    }


def environment(device: torch.device | str) -> dict[str, Any]:
    """Versions and hardware; no names of users or folders."""
    device = torch.device(device)
    return {
        "windowconv": windowconv.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git() -> dict[str, Any] | None:
    """The commit of the checkout that the package runs from; None for an installed package."""
    package = Path(__file__).parent
    try:
        options: Any = {"cwd": package, "capture_output": True, "text": True, "timeout": 10, "check": True}
        subprocess.run(["git", "ls-files", "--error-unmatch", __file__], **options)
        commit = subprocess.run(["git", "rev-parse", "HEAD"], **options).stdout.strip()
        dirty = bool(subprocess.run(["git", "status", "--porcelain", "-uno"], **options).stdout.strip())
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": dirty}


@dataclass(frozen=True)
class Run:
    """A run folder that can be read."""

    folder: Path
    record: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Run:
        """The run in `folder`; an `InputError` if there is none, or of another schema version."""
        if not (folder / "run.json").is_file():
            raise InputError(f"run={str(folder)!r} is no run folder (it has no run.json)")
        record = read_json(folder / "run.json")
        kinds = {"status": str, "config": dict, "config_hash": str, "data": dict}
        for key, kind in kinds.items():
            if not isinstance(record.get(key), kind):
                raise InputError(
                    f"{folder / 'run.json'} is damaged ({key!r} is missing); remove {folder} and train again"
                )
        return cls(folder, record)

    @property
    def config(self) -> RunConfig:
        """The run's settings."""
        given = self.record["config"]
        try:
            return RunConfig.from_record(given)
        except (TypeError, KeyError, InputError) as error:
            raise InputError(f"{self.folder.name}: run.json has another version's config: {error}") from error

    @property
    def weights(self) -> Path:
        """The last weights' file."""
        path = self.folder / "model.safetensors"
        if not path.is_file():
            status = self.record["status"]
            raise InputError(f"{self.folder.name} has no weights (its status is {status!r}); train it to the end")
        return path

    def model(self) -> nn.Module:
        """The trained network, in evaluation mode, computing as in its training: algorithms and memory format."""
        model = from_header(read_header(self.weights))
        load_weights(model, self.weights)
        restore_algorithms(model, self.record["numerics"]["algorithm"])
        layout: Any = {"memory_format": torch.channels_last}
        return model.to(**layout).eval()

    def metrics(self, kind: str) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl of one kind: step, epoch or final."""
        try:
            lines = (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            return [line for line in map(json.loads, lines) if line["kind"] == kind]
        except OSError as error:
            raise InputError(f"{self.folder.name}: metrics.jsonl cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.folder.name}: metrics.jsonl is damaged: {error}; train the run again") from error

    def final(self) -> dict[str, Any]:
        """The last line of metrics.jsonl, which a run that was trained to the end has."""
        lines = self.metrics("final")
        if not lines:
            raise InputError(f"{self.folder.name} was not trained to the end (metrics.jsonl has no final line)")
        return lines[-1]

    def evaluation(self, name: str = "test") -> dict[str, Any]:
        """What `evaluate` measured under this name."""
        return read_json(self.folder / "evaluations" / f"{name}.json")


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
        "git": _git(),
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
        resume: the step and the length of metrics.jsonl at the checkpoint from which an earlier run in the folder goes
            on; its record then stays, and what metrics.jsonl has beyond is cut off.
        tensorboard: write metrics for TensorBoard too.
    """

    def __init__(
        self,
        folder: Path,
        record: dict[str, Any],
        resume: tuple[int, int] | None = None,
        tensorboard: bool = False,
    ) -> None:
        self.folder = folder
        self._log = folder / "metrics.jsonl"
        self._board = Board(folder, resume[0] if resume else 0) if tensorboard else None
        if resume:
            self.record = read_json(folder / "run.json")
            del self.record["schema_version"]
            self.record.update(status="running", reason=None)
            environment = record["environment"]
            self.record["resumed"].append({"step": resume[0], "at": _now(), "environment": environment})
            self._write()
            self._cut(resume[1])
            return
        self.record = record
        self._write()
        replace_file(self._log, b"")
        remove_checkpoints(folder)
        try:  # what an earlier run left is not this one's
            (folder / "model.safetensors").unlink(missing_ok=True)
            for old in (folder / "evaluations").glob("*"):
                old.unlink()
        except OSError as error:
            raise InputError(f"{folder}: an earlier run's files cannot be removed: {error.strerror}") from error

    def log(self, kind: str, **figures: Any) -> None:
        """Append a line to metrics.jsonl."""
        try:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"kind": kind, **figures}, allow_nan=False) + "\n")
        except OSError as error:
            raise InputError(f"{self.folder.name}: metrics.jsonl cannot be written: {error.strerror}") from error
        if self._board:
            self._board.add(kind, figures)

    @property
    def logged(self) -> int:
        """The length of metrics.jsonl in bytes."""
        return self._log.stat().st_size

    def end(self, status: str, reason: str | None = None) -> None:
        """Set how the run ended: finished, stopped or failed."""
        if self._board:
            self._board.close()
        self.record.update(status=status, reason=reason)
        self._write()

    def _cut(self, length: int) -> None:
        try:
            with self._log.open("r+b") as file:
                file.truncate(length)
        except OSError as error:
            raise InputError(f"{self.folder.name}: metrics.jsonl cannot be written: {error.strerror}") from error

    def _write(self) -> None:
        write_json(self.folder / "run.json", self.record)


@contextmanager
def recording(
    folder: Path,
    record: dict[str, Any],
    resume: tuple[int, int] | None = None,
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
