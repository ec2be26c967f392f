"""Records of evaluations: a JSON file in the run folder's `evaluations/`, and perhaps a file of tensors beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from windowconv.errors import InputError, require
from windowconv.files import replace_file
from windowconv.lab.runs.environment import environment
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import write_json


def record_path(run: Run, stem: str) -> Path:
    """The JSON file of an evaluation; its tensors lie beside it, in a .safetensors of the same name."""
    return run.folder / "evaluations" / f"{stem}.json"


def write_record(path: Path, record: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None) -> None:
    """Write both files whole: the tensors first, so that the JSON file speaks of nothing that is not there."""
    if tensors:
        save = require("safetensors.torch", "lab").save
        content = save({name: held.contiguous() for name, held in tensors.items()})
        replace_file(path.with_suffix(".safetensors"), content)
    write_json(path, dict(record))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors beside a record, by name; none if there is no such file.

    Raises:
        InputError: a file that is damaged.
    """
    file = path.with_suffix(".safetensors")
    if not file.is_file():
        return {}
    safetensors, load = require("safetensors", "lab"), require("safetensors.torch", "lab").load
    try:
        return load(file.read_bytes())
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(
            f"{path.parent.parent.name}: evaluations/{file.name} cannot be read: {error}; remove it and its JSON file"
        ) from error


def made_with(device: torch.device | str, packages: Iterable[str] = ()) -> dict[str, Any]:
    """Versions and hardware, for a record; with `packages` also "libraries", those packages' versions."""
    found = environment(device)
    return {**found, "libraries": versions(packages)} if packages else found


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """The installed version of each package; None for one that is not installed."""
    found: dict[str, str | None] = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
