"""Images in parquet files, as the Hub lays them out: encoded images and labels in two columns."""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from windowconv.errors import InputError, require
from windowconv.lab.data.pixels.decode import decode
from windowconv.lab.data.sets import ImageData, ImageSet

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "fine_label")
TEST_NAMES = ("test", "validation", "val")


class _File(NamedTuple):
    path: Path
    images: list[bytes]
    labels: Tensor
    classes: tuple[str, ...] | None


def read(folder: Path, name: str, image_size: int | None = None) -> ImageData | None:
    """The parquet files in `folder` or in `folder/data`, or None if no such file is there.

    Args:
        folder: holds `train.parquet` and `test.parquet`, or shards such as `train-00000-of-00002.parquet`;
            for the test set `validation` and `val` do as well.
        name: what the data are to be called.
        image_size: see `windowconv.lab.data.load`.

    Raises:
        InputError: a set, a shard, a column or a label is missing, or a file or an image is broken.
    """
    places = (folder, folder / "data")
    folders = [place for place in places if any(_files(place, split) for split in ("train", *TEST_NAMES))]
    if not folders:
        return None
    train = _find(folders, ("train",))
    test = _find(folders, TEST_NAMES)
    files = [_read_file(path) for path in (*train, *test)]
    classes = _classes(files)
    for file in files:
        _check_labels(file, len(classes))
    images = decode([image for file in files for image in file.images], _namer(files), image_size)
    labels = torch.cat([file.labels for file in files])
    n = sum(len(file.images) for file in files[: len(train)])
    return ImageData(name, ImageSet(images[:n], labels[:n], classes), ImageSet(images[n:], labels[n:], classes))


def _find(folders: Sequence[Path], splits: Sequence[str]) -> list[Path]:
    """The files of the first of `splits` that is there, shards in order and complete."""
    for split in splits:
        for folder in folders:
            files = _files(folder, split)
            if files:
                _check_shards(folder, split, files)
                return files
    raise InputError(
        f"{folders[0]}: has parquet files but no {splits[0]}.parquet or {splits[0]}-00000-of-00001.parquet: add them"
    )


def _files(folder: Path, split: str) -> list[Path]:
    """`SPLIT.parquet`, or the shards; empty if there is neither."""
    whole = folder / f"{split}.parquet"
    return [whole] if whole.exists() else sorted(folder.glob(f"{split}-*-of-*.parquet"))


def _check_shards(folder: Path, split: str, shards: Sequence[Path]) -> None:
    if shards[0].name == f"{split}.parquet":
        return
    numbers = [re.fullmatch(rf"{split}-(\d+)-of-(\d+)", shard.stem) for shard in shards]
    found = [(int(number[1]), int(number[2])) for number in numbers if number]
    if found != [(index, len(shards)) for index in range(len(shards))]:
        names = ", ".join(shard.name for shard in shards)
        raise InputError(
            f"{folder}: the {split} shards are not complete ({names}): add the missing or remove the others"
        )


def _read_file(path: Path) -> _File:
    arrow = require("pyarrow", "lab")
    try:
        schema = require("pyarrow.parquet", "lab").read_schema(path)
        image, label = _column(path, schema, IMAGE_COLUMNS), _column(path, schema, LABEL_COLUMNS)
        table = require("pyarrow.parquet", "lab").read_table(path, columns=[image, label])
    except (arrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: can't be read as parquet ({reason}): get the file again") from error
    if table.num_rows == 0:
        raise InputError(f"{path}: has no rows: remove it or get it again")
    return _File(path, _encoded(path, table[image]), _labels(path, table[label]), _class_names(schema, label))


def _column(path: Path, schema: Any, names: Sequence[str]) -> str:
    for name in names:
        if name in schema.names:
            return name
    raise InputError(f"{path}: has columns {', '.join(schema.names)}: one must be {' or '.join(names)}")


def _encoded(path: Path, column: Any) -> list[bytes]:
    types = require("pyarrow.types", "lab")
    if types.is_struct(column.type) and "bytes" in [field.name for field in column.type]:
        column = require("pyarrow.compute", "lab").struct_field(column, "bytes")
    if not (types.is_binary(column.type) or types.is_large_binary(column.type)):
        raise InputError(f"{path}: its image column is {column.type}: it must hold the encoded bytes of each image")
    images = column.to_pylist()
    if column.null_count:
        raise InputError(f"{path} row {images.index(None)}: has no image bytes: embed the images in the file")
    return images


def _labels(path: Path, column: Any) -> Tensor:
    if not require("pyarrow.types", "lab").is_integer(column.type):
        raise InputError(f"{path}: its label column is {column.type}: it must hold integers")
    if column.null_count:
        raise InputError(f"{path} row {column.to_pylist().index(None)}: has no label: remove the row")
    return torch.tensor(column.to_pylist(), dtype=torch.int64)


def _class_names(schema: Any, label: str) -> tuple[str, ...] | None:
    """The class names that the Hub's library leaves in the schema, if they are there."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(str(name) for name in features[label]["names"])
    except (KeyError, TypeError, ValueError):
        return None  # another program wrote the file: its classes are known by number only


def _classes(files: Sequence[_File]) -> tuple[str, ...]:
    for file in files[1:]:
        if file.classes != files[0].classes:
            raise InputError(f"{file.path}: names other classes than {files[0].path}: they must be of one data set")
    if files[0].classes is not None:
        return files[0].classes
    return tuple(str(label) for label in range(int(max(file.labels.max() for file in files)) + 1))


def _check_labels(file: _File, classes: int) -> None:
    wrong = torch.nonzero((file.labels < 0) | (file.labels >= classes))
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"{file.path} row {row}: has label {int(file.labels[row])} where there are {classes} classes: "
            "remove the row"
        )


def _namer(files: Sequence[_File]) -> Callable[[int], str]:
    """A function from an image's place among all files to its file and row."""
    starts = [0]
    for file in files:
        starts.append(starts[-1] + len(file.images))

    def where(index: int) -> str:
        which = bisect.bisect_right(starts, index) - 1
        return f"{files[which].path} row {index - starts[which]}"

    return where
