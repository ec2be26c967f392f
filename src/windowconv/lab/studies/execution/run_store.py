"""Run folders kept at an address that all machines reach: a path, or a URL of fsspec's such as s3://bucket/study."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from windowconv.errors import InputError, require

LAST = "run.json"
"""Written after all others: a run folder that has it is whole."""


class Store:
    """Folders at an address.

    Args:
        url: a path or URL; what fsspec's file systems need (s3fs, gcsfs, ...) has to be installed.

    Raises:
        InputError: an address that fsspec does not know, or whose package is missing.
    """

    def __init__(self, url: str) -> None:
        core: Any = require("fsspec.core", "cluster")
        self.url = url
        try:
            self._files, self._root = core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise InputError(f"store={url!r} cannot be used: {' '.join(str(error).split())}") from None

    def has(self, name: str) -> bool:
        """Whether a folder of this name is there, whole."""
        with self._reached():
            return bool(self._files.exists(self._at(name, LAST)))

    def put(self, folder: Path, name: str) -> None:
        """Copy a folder's files there; hidden ones and checkpoints stay."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _stays(path.relative_to(folder))]
        files.sort(key=lambda path: path == folder / LAST)
        with self._reached():
            for path in files:
                there = self._at(name, *path.relative_to(folder).parts)
                self._files.makedirs(there.rpartition("/")[0], exist_ok=True)
                self._files.put_file(str(path), there)

    def get(self, name: str, target: Path) -> None:
        """Copy a folder from there, whole or not at all."""
        beside = target.with_name(f".{target.name}.part")
        source = self._at(name)
        try:
            shutil.rmtree(beside, ignore_errors=True)
            with self._reached():
                names = self._files.find(source)
                for there in names:
                    here = beside / there[len(source) :].lstrip("/")
                    here.parent.mkdir(parents=True, exist_ok=True)
                    self._files.get_file(there, str(here))
                if not names:
                    raise InputError(f"store={self.url!r} has no run {name!r}")
                shutil.rmtree(target, ignore_errors=True)
                beside.replace(target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def _at(self, *names: str) -> str:
        return "/".join([self._root.rstrip("/"), *names])

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = " ".join(str(error.strerror or error).split())
            raise InputError(f"store={self.url!r} cannot be read or written: {reason}") from error


def _stays(path: Path) -> bool:
    return path.parts[0] == "checkpoints" or any(part.startswith(".") for part in path.parts)
