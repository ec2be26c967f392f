"""A run's log, metrics.jsonl: appended to, and as long as a checkpoint says when a run goes on from it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Container
from pathlib import Path
from typing import Any, NamedTuple

from windowconv.errors import InputError
from windowconv.files import replace_file
from windowconv.lab.runs.schemas import LINES, LogLine
from windowconv.lab.schema import check_types, parse_json

LOG = "metrics.jsonl"


class LogMark(NamedTuple):
    """How far the log was when a checkpoint was written: its length in bytes, and their SHA-256 ("" if not known)."""

    length: int
    sha256: str


class RunLog:
    """The log of a run that goes on.

    Args:
        folder: the run folder.
        resume: the mark of the checkpoint from which an earlier run goes on: what the log has beyond is removed. If
            None, the log starts empty.

    Raises:
        InputError: it cannot be written.
    """

    def __init__(self, folder: Path, resume: LogMark | None = None) -> None:
        self._path = folder / LOG
        self._name = folder.name
        self._digest = hashlib.sha256()
        if resume is None:
            replace_file(self._path, b"")
            return
        try:
            with self._path.open("r+b") as file:
                self._digest.update(file.read(resume.length))
                file.truncate(resume.length)
        except OSError as error:
            raise self._failed(error) from error

    def append(self, kind: str, **metrics: Any) -> None:
        """Append a line; NaN is an error."""
        line = (json.dumps({"kind": kind, **metrics}, allow_nan=False) + "\n").encode()
        try:
            with self._path.open("ab") as file:
                file.write(line)
        except OSError as error:
            raise self._failed(error) from error
        self._digest.update(line)

    def mark(self) -> LogMark:
        """How far the log is, with all of it on the disk: a checkpoint that counts on it may be written."""
        try:
            with self._path.open("ab") as file:
                os.fsync(file.fileno())
                return LogMark(file.tell(), self._digest.hexdigest())
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> InputError:
        return InputError(f"{self._name}: {LOG} cannot be written: {error.strerror}")


def read_log(folder: Path, kinds: Container[str]) -> list[dict[str, Any]]:
    """The lines of a run's log that are of some kinds; an `InputError` if it cannot be read, or is damaged."""
    try:
        lines = (folder / LOG).read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{folder.name}: {LOG} cannot be read: {error.strerror}") from error
    found = []
    try:
        for line in map(parse_json, lines):
            check_types(line, LogLine)
            if line["kind"] in kinds:
                check_types(line, LINES.get(line["kind"], LogLine))
                found.append(line)
    except InputError as error:
        raise InputError(f"{folder.name}: {LOG} is damaged: {error}; train the run again") from error
    return found


def check_log(folder: Path, mark: LogMark) -> None:
    """A `ValueError` unless the run's log begins with what it held when the mark was set."""
    path = folder / LOG
    content = path.read_bytes()[: mark.length] if path.is_file() else b""
    if len(content) < mark.length:
        raise ValueError(f"{LOG} has {len(content)} bytes where it needs {mark.length}")
    if mark.sha256 and hashlib.sha256(content).hexdigest() != mark.sha256:
        raise ValueError(f"{LOG} differs from what was written")
