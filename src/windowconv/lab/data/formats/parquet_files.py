"""Which parquet files are a training set and a test set, by the names that their writers give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from windowconv.errors import InputError

TEST_NAMES = ("test", "validation", "val")
SPLITS = ("train", *TEST_NAMES)
SHARD = re.compile(r"(?P<split>[a-z]+)-(?P<number>\d+)(-of-(?P<of>\d+))?(-[0-9a-f]{8,})?")
"""A shard's name: train-00000-of-00002, perhaps with a hash after it, or train-0000."""
NUMBERED = re.compile(r"(?P<number>\d+)")
"""A shard's name in a folder of its split's name: train/0000.parquet."""


class _Shard(NamedTuple):
    number: int
    of: int  # how many there are; 0 if its name does not say
    path: Path


def parquet_files(folder: Path) -> tuple[list[Path], list[Path]] | None:
    """The files of the training set and of the test set, each in order, or None if there are none.

    Args:
        folder: holds them, or a folder `data`, or one folder of another name: a configuration. The names are
            `SPLIT.parquet`, shards (`SPLIT-00000-of-00002.parquet`, with a hash or not, `SPLIT-0000.parquet`) or
            `SPLIT/0000.parquet`; SPLIT is `train`, and for the test set the first there of `test`, `validation`, `val`.

    Raises:
        InputError: a set or a shard is missing, or there are several configurations.
    """
    places = [place for place in (folder, folder / "data") if _has_files(place)]
    if not places:
        configurations = _configurations(folder)
        if len(configurations) > 1:
            names = ", ".join(place.name for place in configurations)
            raise InputError(f"{folder}: holds several configurations ({names}): name the folder of one")
        places = configurations
    if not places:
        return None
    return _find(places, ("train",)), _find(places, TEST_NAMES)


def _configurations(folder: Path) -> list[Path]:
    """Folders in `folder` with parquet files of a split; folders of class images have none."""
    places = sorted(folder.iterdir()) if folder.is_dir() else []
    return [place for place in places if place.is_dir() and _has_files(place)]


def _has_files(place: Path) -> bool:
    return any(_files(place, split) for split in SPLITS)


def _find(folders: Sequence[Path], splits: Sequence[str]) -> list[Path]:
    """The files of the first of `splits` that is there, shards in order and complete."""
    for split in splits:
        for folder in folders:
            if files := _files(folder, split):
                return files
    raise InputError(
        f"{folders[0]}: has parquet files but no {splits[0]}.parquet or {splits[0]}-00000-of-00001.parquet: add them"
    )


def _files(folder: Path, split: str) -> list[Path]:
    """`SPLIT.parquet`, or the shards in order; empty if there is neither."""
    whole = folder / f"{split}.parquet"
    if whole.exists():
        return [whole]
    shards = _numbered(folder.glob(f"{split}-*.parquet"), SHARD) or _numbered((folder / split).glob("*"), NUMBERED)
    if shards:
        _check_complete(folder, split, shards)
    return [path for _, _, path in shards]


def _numbered(paths: Iterable[Path], form: re.Pattern[str]) -> list[_Shard]:
    matches = [(form.fullmatch(path.stem), path) for path in paths if path.suffix == ".parquet"]
    parts = [(match.groupdict(), path) for match, path in matches if match]
    return sorted(_Shard(int(part["number"]), int(part.get("of") or 0), path) for part, path in parts)


def _check_complete(folder: Path, split: str, shards: Sequence[_Shard]) -> None:
    numbers, counts = [shard.number for shard in shards], {shard.of for shard in shards}
    first = 0 if counts != {0} else min(numbers[0], 1)  # some writers that say no count begin at 1
    if numbers != list(range(first, first + len(shards))) or not counts <= {0, len(shards)}:
        names = ", ".join(shard.path.name for shard in shards)
        raise InputError(
            f"{folder}: the {split} shards are not complete ({names}): add the missing or remove the others"
        )
