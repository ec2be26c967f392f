"""Finished runs that need not be trained again, in any folder."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.lab.models.algorithm_choice import NUMERICS, Pins
from windowconv.lab.runs.folder import WEIGHTS, Run

DEEPEST = 4
"""Levels of folders that are searched for runs."""
LEFT_OUT = ("checkpoints", "tensorboard", "export")


@dataclass(frozen=True)
class RunKey:
    """What determines a run's result, but for the algorithms.

    Attributes:
        config: the settings' hash, precision included.
        train, test: the images' content hashes.
        numerics: a version that is raised by hand where the code's results change.
        torch: its version.
    """

    config: str
    train: str
    test: str
    numerics: int
    torch: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> RunKey:
        """The key of a run, by its run.json."""
        data, numerics = record["data"], record["numerics"]
        version = numerics.get("version", 1)  # runs that had none were of the first
        torch = record["environment"]["torch"]
        return cls(record["config_hash"], data["train_hash"], data["test_hash"], version, torch)

    @classmethod
    def wanted(cls, config_hash: str, data: Mapping[str, Any]) -> RunKey:
        """The key that a run would have if it were trained here and now, on the images of `describe_data`."""
        import torch

        return cls(config_hash, data["train_hash"], data["test_hash"], NUMERICS, str(torch.__version__))

    def differences(self, other: RunKey) -> list[str]:
        """What differs, in words, this one's value first."""
        names = {
            "config": "settings",
            "train": "training images",
            "test": "test images",
            "numerics": "numerics version",
        }
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in [*names, "torch"]}
        return [f"{names.get(name, name)} {str(a)[:16]}, not {str(b)[:16]}" for name, (a, b) in pairs.items() if a != b]


class RunIndex:
    """The finished runs below some folders, by their keys.

    Args:
        folders: to look through; one that is not there holds none.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._runs: dict[RunKey, list[Run]] = {}
        for run in _finished(folders):
            self._runs.setdefault(RunKey.of(run.record), []).append(run)

    def pins(self, keys: Sequence[RunKey]) -> Pins | None:
        """The algorithms that most of the runs with these keys were trained with; None if there are none."""
        counts: Counter[tuple[tuple[str, str], ...]] = Counter()
        for key in keys:
            counts.update({tuple(run.record["numerics"]["algorithm"].items()) for run in self._runs.get(key, [])})
        return dict(counts.most_common(1)[0][0]) if counts else None

    def find(self, key: RunKey, pins: Pins, suffices: Callable[[Run], bool] | None = None) -> Run | None:
        """A finished run with this key and these algorithms.

        Args:
            key, pins: of the run.
            suffices: whether a run without weights, as exports have it, is enough; None where none is.
        """
        same = [run for run in self._runs.get(key, []) if run.record["numerics"]["algorithm"] == pins]
        whole = [run for run in same if (run.folder / WEIGHTS).is_file()]
        exported = [run for run in same if suffices is not None and suffices(run)]
        return next(iter([*whole, *exported]), None)


def _finished(folders: Iterable[Path]) -> Iterator[Run]:
    for folder in folders:
        for path in _records(folder, DEEPEST):
            try:
                run = Run.open(path.parent)
                RunKey.of(run.record)
            except (InputError, KeyError, TypeError):
                continue  # damaged, or of another version: it is no run that could be reused
            if run.is_finished:
                yield run


def _records(folder: Path, deepest: int) -> Iterator[Path]:
    """The run.json files below a folder; a run folder holds no others."""
    if (folder / "run.json").is_file():
        yield folder / "run.json"
    elif deepest and folder.is_dir():
        for inner in sorted(folder.iterdir()):
            if inner.is_dir() and not inner.name.startswith("."):
                yield from _records(inner, deepest - 1)


def link_run(run: Run, target: Path, copy: bool = False) -> None:
    """Link a finished run's files into another folder, all or none; they are copied where links cannot be made. No file
    of a run is ever changed in place.

    Args:
        run: finished.
        target: its new folder.
        copy: copy in any case.

    Raises:
        InputError: the folder cannot be written.
    """
    beside = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(
            run.folder,
            beside,
            copy_function=shutil.copy2 if copy else _link,
            ignore=shutil.ignore_patterns(*LEFT_OUT, ".*"),
        )
        shutil.rmtree(target, ignore_errors=True)  # an attempt that was never finished
        beside.replace(target)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(beside, ignore_errors=True)
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{target.name}: the finished run {run.folder.name} cannot be reused ({reason})") from error


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
