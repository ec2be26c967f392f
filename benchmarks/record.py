"""What a run has measured so far: rows by key in one JSON file, so that a run which was cut goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import windowconv
from windowconv.fftconv.native.library import instructions
from windowconv.files import replace_file
from windowconv.lab.runs.environment import environment

Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One row to measure."""

    key: str
    measure: Callable[[], Row]


@dataclass
class Record:
    """The rows measured in one environment; every row says from which sources."""

    path: Path
    environment: dict[str, Any]
    sources: str
    rows: dict[str, Row] = field(default_factory=dict)

    def has(self, key: str, other_sources: bool = False) -> bool:
        """Whether the row is there, measured from these sources (or from any)."""
        return key in self.rows and (other_sources or self.rows[key]["sources"] == self.sources)

    def add(self, key: str, row: Row) -> None:
        """Keep a row, on disk too."""
        self.rows[key] = {**_short(row), "sources": self.sources}
        self.save()

    def group(self, name: str) -> dict[str, Row]:
        """The rows whose keys begin with `name/`, without the name."""
        return {key.removeprefix(f"{name}/"): row for key, row in self.rows.items() if key.startswith(f"{name}/")}

    def save(self) -> None:
        """Write it all, a line for each row."""
        rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(row)}" for key, row in self.rows.items())
        text = f'{{"environment": {json.dumps(self.environment)},\n"rows": {{\n{rows}\n}}}}\n'
        replace_file(self.path, text.encode())


def open_record(path: Path, here: dict[str, Any] | None, sources: str) -> tuple[Record, str]:
    """The record at `path`, and what is to be said of it: an empty one if it is of an environment other than `here`.

    Without `here` any will do, and it must be there.
    """
    if here is None:
        held = json.loads(path.read_text())
        return Record(path, held["environment"], sources, held["rows"]), f"{len(held['rows'])} rows"
    record = Record(path, here, sources)
    if not path.exists():
        return record, "starting afresh"
    held = json.loads(path.read_text())
    if held["environment"] != here:
        changed = [name for name in here if held["environment"].get(name) != here[name]]
        return record, f"starting afresh: what is there was measured with another {', '.join(changed) or 'environment'}"
    record.rows = held["rows"]
    return record, f"going on from {len(record.rows)} rows"


def describe_environment(quick: bool) -> dict[str, Any]:
    """Versions and hardware; two runs with the same can be continued one by the other."""
    set_in_use = instructions() or "none (no native operator)"
    found = {**environment(torch.device("cpu")), "cores": _cores(), "instructions": set_in_use}
    return {**found, "quick": True} if quick else found


def _cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def digest_of_sources(package: str = "") -> str:
    """A digest of windowconv's code as it runs here, native library included, or of one package's within it."""
    folder = Path(windowconv.__file__).parent / package
    files = [file for file in folder.rglob("*") if file.suffix in (".py", ".so", ".dylib")]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _short(value: Any) -> Any:
    """Numbers with the five digits that mean something."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: _short(held) for name, held in value.items()}
    return [_short(held) for held in value] if isinstance(value, list) else value
