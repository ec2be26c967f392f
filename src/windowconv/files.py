"""Writing a file whole or not at all; the folder for what can be made again."""

from __future__ import annotations

import os
from errno import EDQUOT, ENOSPC
from pathlib import Path

from windowconv.errors import InputError

CACHE = "WINDOWCONV_CACHE"  # a folder to keep files in


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` by way of a file beside it, so that a reader never sees half of it.

    Missing folders are made. An `InputError` says in one line why it could not be done; what stood at `path`
    then still stands there, and nothing else is left.
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
    """Where to keep what can be made again, which may not be there yet; None for a user who has no home."""
    own, common = os.environ.get(CACHE), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own)
    try:
        return (Path(common) if common else Path.home() / ".cache") / "windowconv"
    except RuntimeError:
        return None
