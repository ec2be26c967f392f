"""Checkpoints of a run: written whole or not at all, checked when they are read, never unpickled."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from windowconv.errors import InputError, require
from windowconv.files import replace_file
from windowconv.lab.runs.log import LogMark, check_log
from windowconv.lab.runs.schemas import CheckpointRecord
from windowconv.lab.schema import check_types, parse_json

FOLDER = "checkpoints"
STATE = "state.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on as if it had not stopped.

    Args:
        step: steps done.
        tensors: by file's name ("model", "optimizer", ...) and tensor's name.
        state: everything else, JSON-able.
    """

    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]


def save_checkpoint(run: Path, checkpoint: Checkpoint, keep: int = 2) -> Path:
    """Write `checkpoints/step-N/` into a run folder, by way of a folder of another name; keep the newest few.

    Args:
        run: the run folder.
        checkpoint: what to write.
        keep: how many checkpoints stay, this one included.

    Raises:
        InputError: it cannot be written; the earlier checkpoints are then as they were.
    """
    save = require("safetensors.torch", "lab").save
    place = run / FOLDER
    target = place / f"step-{checkpoint.step}"
    beside = place / f".step-{checkpoint.step}.part"
    digests = {}
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        for name, tensors in checkpoint.tensors.items():
            content = save({key: value.detach().contiguous() for key, value in tensors.items()})
            digests[name] = hashlib.sha256(content).hexdigest()
            replace_file(beside / f"{name}.safetensors", content)
        record = {"schema_version": SCHEMA_VERSION, "step": checkpoint.step, "sha256": digests}
        state = json.dumps(checkpoint.state, allow_nan=False)
        record["state_sha256"] = hashlib.sha256(state.encode()).hexdigest()
        text = json.dumps({**record, "state": checkpoint.state}, allow_nan=False)
        replace_file(beside / STATE, text.encode())
        _flush(beside)
        if target.exists():  # of an earlier attempt at the same step
            shutil.rmtree(target)
        os.replace(beside, target)
        for old in _newest_first(run)[keep:]:
            shutil.rmtree(old)
    except (OSError, InputError) as error:
        shutil.rmtree(beside, ignore_errors=True)
        reason = getattr(error.__cause__ or error, "strerror", None) or error
        raise InputError(
            f"{run.name}: a checkpoint cannot be written ({reason}); once it can, the same command resumes from the "
            "one before"
        ) from error
    return target


def load_checkpoint(run: Path, at_most: int | None = None, schema: Any = dict) -> Checkpoint | None:
    """The newest checkpoint of a run that is whole; None if there is none. A damaged one is passed over, with a line.

    Args:
        run: the run folder.
        at_most: the latest step that is wanted.
        schema: what the state must hold, see `check_types`.
    """
    for folder in _newest_first(run):
        if at_most is not None and _step(folder) > at_most:
            continue
        try:
            return _read(folder, schema)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            print(
                f"windowconv: {run.name}: {folder.name} is damaged ({reason}); trying the one before", file=sys.stderr
            )
    return None


def log_mark(state: Mapping[str, Any]) -> LogMark:
    """How far the log was at a checkpoint; those before the hash was kept say its length only."""
    return LogMark(int(state.get("logged", 0)), str(state.get("logged_sha256", "")))


def newest_step(run: Path) -> int | None:
    """The step of the newest checkpoint, read or not; None if there is none."""
    found = _newest_first(run)
    return _step(found[0]) if found else None


def remove_checkpoints(run: Path) -> None:
    """Remove all: a finished run needs none."""
    shutil.rmtree(run / FOLDER, ignore_errors=True)


def _read(folder: Path, schema: Any) -> Checkpoint:
    record = _record(folder, schema)
    state = json.dumps(record["state"], allow_nan=False).encode()
    if record.get("state_sha256", "") not in ("", hashlib.sha256(state).hexdigest()):  # earlier versions kept none
        raise ValueError(f"{STATE} differs from what was written")
    there = {path.stem for path in folder.glob("*.safetensors")}
    if there != record["sha256"].keys():
        differing = ", ".join(sorted(there ^ record["sha256"].keys()))
        raise ValueError(f"{STATE} names other files than there are: {differing}")
    load, tensors = require("safetensors.torch", "lab").load, {}
    for name, digest in record["sha256"].items():
        content = (folder / f"{name}.safetensors").read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"{name}.safetensors differs from what was written")
        tensors[name] = load(content)
    check_log(folder.parent.parent, log_mark(record["state"]))
    return Checkpoint(record["step"], tensors, record["state"])


def _record(folder: Path, schema: Any) -> dict[str, Any]:
    """state.json, its types checked; a `ValueError` where they are others."""
    record = parse_json((folder / STATE).read_bytes())
    check_types(record, CheckpointRecord)
    if record["schema_version"] != SCHEMA_VERSION:
        version = record["schema_version"]
        raise ValueError(f"schema version {version!r}, this version of windowconv reads {SCHEMA_VERSION}")
    if record["step"] != _step(folder):
        raise ValueError(f"{STATE} is of step {record['step']}")
    check_types(record["state"], schema)
    return record


def _newest_first(run: Path) -> list[Path]:
    found = [path for path in (run / FOLDER).glob("step-*") if path.name.removeprefix("step-").isdecimal()]
    return sorted(found, key=_step, reverse=True)


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def _flush(folder: Path) -> None:
    """Bring the files onto the disk, so that the folder's new name never stands before its content."""
    for path in (*folder.iterdir(), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
