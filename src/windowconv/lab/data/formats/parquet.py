"""Images in parquet files, as the Hub lays them out: encoded images and labels in two columns."""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from windowconv.errors import InputError, require
from windowconv.lab.data.formats.parquet_files import parquet_files
from windowconv.lab.data.pixels.broken import find_broken, warn_left_out
from windowconv.lab.data.pixels.decode import decode
from windowconv.lab.data.sets import ImageData, ImageSet

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "fine_label", "labels")


class _File(NamedTuple):
    path: Path
    images: list[bytes]
    labels: list[Any]  # numbers, or names of classes
    classes: tuple[str, ...] | None


def read(folder: Path, name: str, image_size: int | None = None, *, skip_broken: bool = False) -> ImageData | None:
    """The parquet files of `folder`, or None if there are none (see `parquet_files`).

    Args:
        folder: holds the files of a training set and a test set.
        name: what the data are to be called.
        image_size: see `windowconv.lab.data.load`.
        skip_broken: leave out rows whose image cannot be decoded; a `WindowWarning` names them.

    Raises:
        InputError: a set, a shard, a column or a label is missing, or a file or an image is broken.
    """
    found = parquet_files(folder)
    if found is None:
        return None
    train, test = found
    files = [_read_file(path) for path in (*train, *test)]
    classes = _classes(files)
    files = [_numbered(file, classes) for file in files]
    left_out: list[str] = []
    if skip_broken:
        rows = sum(len(file.images) for file in files)
        files = [_without_broken(file, folder, left_out) for file in files]
        warn_left_out(left_out, rows)
    images = decode([image for file in files for image in file.images], _namer(files), image_size)
    labels = torch.cat([torch.tensor(file.labels) for file in files])
    n = sum(len(file.images) for file in files[: len(train)])
    sets = ImageSet(images[:n], labels[:n], classes), ImageSet(images[n:], labels[n:], classes)
    return ImageData(name, *sets, tuple(left_out))


def _without_broken(file: _File, folder: Path, left_out: list[str]) -> _File:
    broken = find_broken(file.images.__getitem__, len(file.images), lambda row: f"{file.path} row {row}")
    left_out += [f"{file.path.relative_to(folder).as_posix()} row {row}" for row in broken]
    kept = sorted(set(range(len(file.images))) - set(broken))
    return file._replace(images=[file.images[row] for row in kept], labels=[file.labels[row] for row in kept])


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
    if not (types.is_binary(column.type) or types.is_large_binary(column.type) or types.is_binary_view(column.type)):
        raise InputError(f"{path}: its image column is {column.type}: it must hold the encoded bytes of each image")
    images = column.to_pylist()
    if column.null_count:
        raise InputError(f"{path} row {images.index(None)}: has no image bytes: embed the images in the file")
    return images


def _labels(path: Path, column: Any) -> list[Any]:
    types = require("pyarrow.types", "lab")
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    known = (types.is_integer, types.is_string, types.is_large_string, types.is_string_view)
    if not any(is_kind(kind) for is_kind in known):
        raise InputError(f"{path}: its label column is {column.type}: it must hold integers, or names of classes")
    labels = column.to_pylist()
    if None in labels:
        raise InputError(f"{path} row {labels.index(None)}: has no label: remove the row")
    return labels


def _class_names(schema: Any, label: str) -> tuple[str, ...] | None:
    """The class names that the Hub's library leaves in the schema, if they are there."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(str(name) for name in features[label]["names"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return None  # another program wrote the file: its classes are known by number only


def _classes(files: Sequence[_File]) -> tuple[str, ...]:
    """The classes in the order of their numbers: as the files name them, else the labels' own names or numbers."""
    for file in files[1:]:
        if file.classes != files[0].classes:
            raise InputError(f"{file.path}: names other classes than {files[0].path}: they must be of one data set")
        if isinstance(file.labels[0], str) != isinstance(files[0].labels[0], str):
            raise InputError(f"{file.path}: has labels of another kind than {files[0].path}: make all names or numbers")
    if files[0].classes is not None:
        return files[0].classes
    if isinstance(files[0].labels[0], str):
        return tuple(sorted({label for file in files for label in file.labels}))
    return tuple(str(label) for label in range(max(max(file.labels) for file in files) + 1))


def _numbered(file: _File, classes: tuple[str, ...]) -> _File:
    """The file with its labels as numbers; an `InputError` for one that names no class."""
    numbers = {label: number for number, label in enumerate(classes)}
    named = isinstance(file.labels[0], str)
    for row, label in enumerate(file.labels):
        if label not in numbers if named else not 0 <= label < len(classes):
            raise InputError(
                f"{file.path} row {row}: has label {label} where there are {len(classes)} classes: remove the row"
            )
    return file._replace(labels=[numbers[label] for label in file.labels]) if named else file


def _namer(files: Sequence[_File]) -> Callable[[int], str]:
    """A function from an image's place among all files to its file and row."""
    starts = [0]
    for file in files:
        starts.append(starts[-1] + len(file.images))

    def where(index: int) -> str:
        which = bisect.bisect_right(starts, index) - 1
        return f"{files[which].path} row {index - starts[which]}"

    return where
