"""Where the samples of a WebDataset shard are: found by reading its headers, not its images."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from windowconv.errors import InputError

IMAGES = ("jpg", "jpeg", "png", "webp")
LABEL = "cls"
RECORD = "json"
NUMBERS = ("label", "cls", "class_id")  # keys of the label in a record, the first that is there
LARGEST_RECORD = 2**20  # bytes
BLOCK = 512
"""Bytes: a tar file's members begin at multiples of it, and a block of zeros follows the last."""


class ShardIndex(NamedTuple):
    """The samples of one shard in its order: for each its key, where its image's bytes are, and its label."""

    keys: list[str]
    offsets: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray


class _Part(NamedTuple):
    offset: int
    size: int


def index_shard(path: Path) -> ShardIndex:
    """Read all headers of a shard, and the labels.

    Members with one name up to the first dot after the last slash are a sample, as in WebDataset; what follows
    the dot says what each is. Members without a dot, and other kinds of members, are passed over.

    Raises:
        InputError: the file is no tar file or is cut off, or a sample lacks its image or its class.
    """
    # The package webdataset only streams: it reads every byte of a shard in turn, and knows no places. Random
    # access, which a run resumed within an epoch needs, takes offsets, and those the standard library gives.
    try:
        with open(path, "rb") as file:
            samples = _samples(path, _members(file))
            rows = [(*_image(path, key, parts), _label(path, file, key, parts)) for key, parts in samples.items()]
    except (tarfile.TarError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: can't be read as a tar file ({reason}): get the shard again") from error
    if not rows:
        raise InputError(f"{path}: holds no sample: remove it, or get the shard again")
    offsets, sizes, labels = np.array(rows, np.int64).T
    return ShardIndex(list(samples), offsets, sizes, labels)


def _members(file: BinaryIO) -> Iterable[tuple[str, _Part]]:
    """The regular files in a tar file.

    tarfile takes a broken header, and a file that ends between two members, for the end: so the block of zeros
    that ends a whole one is looked for.
    """
    end = 0
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            end = member.offset_data + -(-member.size // BLOCK) * BLOCK
            if member.isreg():
                yield member.name, _Part(member.offset_data, member.size)
    file.seek(end)
    if file.read(BLOCK) != bytes(BLOCK):
        raise tarfile.ReadError(f"cut off or damaged at byte {end}")


def _samples(path: Path, members: Iterable[tuple[str, _Part]]) -> dict[str, dict[str, _Part]]:
    samples: dict[str, dict[str, _Part]] = {}
    for name, part in members:
        folder, slash, file = name.rpartition("/")
        stem, dot, suffix = file.partition(".")
        if not (stem and dot):
            continue
        parts = samples.setdefault(folder + slash + stem, {})
        if suffix.lower() in parts:
            raise InputError(f"{path}: holds {name} twice: make the shard anew")
        parts[suffix.lower()] = part
    return samples


def _image(path: Path, key: str, parts: dict[str, _Part]) -> _Part:
    found = [suffix for suffix in IMAGES if suffix in parts]
    if len(found) != 1:
        have = ", ".join(f".{suffix}" for suffix in parts)
        raise InputError(
            f"{path} sample {key}: has {have}: it must have one image ({', '.join(f'.{name}' for name in IMAGES)})"
        )
    return parts[found[0]]


def _label(path: Path, file: BinaryIO, key: str, parts: dict[str, _Part]) -> int:
    if LABEL not in parts and RECORD in parts:
        return _label_in_record(path, file, key, parts[RECORD])
    if LABEL not in parts:
        raise InputError(
            f"{path} sample {key}: has neither .{LABEL} nor .{RECORD}: one must hold the number of the sample's class"
        )
    file.seek(parts[LABEL].offset)
    text = file.read(min(parts[LABEL].size, BLOCK)).strip()
    if not re.fullmatch(rb"-?\d{1,6}", text):
        raise InputError(
            f"{path} sample {key}: its .{LABEL} is {text[:20]!r}: it must be a number, of six digits at most"
        )
    return int(text)


def _label_in_record(path: Path, file: BinaryIO, key: str, part: _Part) -> int:
    """The label in a sample's JSON."""
    file.seek(part.offset)
    try:
        record = json.loads(file.read(min(part.size, LARGEST_RECORD)))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} sample {key}: its .{RECORD} can't be read ({error}): make the shard anew") from error
    found = [record[name] for name in NUMBERS if name in record] if isinstance(record, dict) else []
    if not found or isinstance(found[0], bool) or not isinstance(found[0], int) or abs(found[0]) >= 10**6:
        raise InputError(
            f"{path} sample {key}: its .{RECORD} must hold the number of the sample's class under {NUMBERS[0]!r}, of "
            "six digits at most"
        )
    return found[0]
