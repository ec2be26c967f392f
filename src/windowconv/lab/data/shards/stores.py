"""Encoded images where they lie: what every kind of store can do, and single files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from windowconv.errors import InputError
from windowconv.lab.data.shards.packed import PackedNames


class Store(Protocol):
    """Encoded images by number. It is pickled for worker processes, so it holds no open file."""

    @property
    def shards(self) -> np.ndarray | None:
        """The number of the file that each image lies in, int64 (N,), or None if each has a file of its own."""
        ...

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes:
        """The image as it is encoded; an `InputError` names it if it can't be read."""
        ...

    def name(self, index: int) -> str:
        """Where the image is, for a message."""
        ...

    def key(self, index: int) -> str:
        """The image's name below the store's folder, with slashes: the same on every machine."""
        ...

    def size(self, index: int) -> int:
        """How many bytes `read` gives."""
        ...


class FileStore:
    """Images that are files below one folder.

    Args:
        root: the folder.
        paths: of the files, each beginning with `root`.
    """

    shards = None

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self._root = str(root)
        self._names = PackedNames(os.path.relpath(path, root) for path in paths)

    def __len__(self) -> int:
        return len(self._names)

    def read(self, index: int) -> bytes:
        return read_part(self.name(index))

    def name(self, index: int) -> str:
        return os.path.join(self._root, self._names[index])

    def key(self, index: int) -> str:
        return self._names[index].replace(os.sep, "/")

    def size(self, index: int) -> int:
        try:
            return os.stat(self.name(index)).st_size
        except OSError as error:
            raise _unreadable(self.name(index), error) from error


def read_part(path: str, offset: int = 0, size: int = -1) -> bytes:
    """`size` bytes of a file from byte `offset` on, or all to its end; an `InputError` if it can't be read."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> InputError:
    return InputError(f"{path}: can't be read ({error.strerror or error}): put it back, or start again without it")
