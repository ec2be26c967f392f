"""Atomic writes, and the cache folder."""

from __future__ import annotations

import os
from errno import EDQUOT, ENOSPC
from pathlib import Path

from windowconv.errors import InputError

CACHE = "WINDOWCONV_CACHE"  # environment variable: the cache folder


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically, through a temporary file in the same folder.

    Missing folders are created. If writing fails, an `InputError` gives the reason in one line, the old file stays, and
    no temporary file is left.
    """
    beside = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_bytes(content)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        way_out = "free some space" if error.errno in (ENOSPC, EDQUOT) else "choose another folder"
        raise InputError(f"path={str(path)!r} cannot be written ({error.strerror or error}); {way_out}") from error


def cache_folder() -> Path | None:
    """The folder for files that can be recreated, which may not exist yet; None without a home folder."""
    own, common = os.environ.get(CACHE), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own)
    try:
        return (Path(common) if common else Path.home() / ".cache") / "windowconv"
    except RuntimeError:
        return None
