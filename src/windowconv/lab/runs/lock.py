"""One process at a time in a run's or a study's folder."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from windowconv.errors import InputError, require
from windowconv.files import replace_file

LOCK = ".lock"
HOLDER = ".lock-holder"


@contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """Nobody else works in the folder while the block runs.

    The lock ends with the process, however it ends. Where the file system has no locks, there is none.

    Args:
        folder: is made if need be.
        what: is in it: "run" or "study".

    Raises:
        InputError: somebody else does, who is named; the folder cannot be written.
    """
    filelock = require("filelock", "lab")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK, timeout=0)
        with suppress(NotImplementedError):  # a file system without locks
            lock.acquire()
    except filelock.Timeout:
        raise InputError(
            f"out={str(folder)!r}: {_holder(folder)} works on this {what}; wait for it, or choose another --out"
        ) from None
    except OSError as error:
        raise InputError(f"out={str(folder)!r} cannot be written ({error.strerror}); choose another folder") from error
    try:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with suppress(InputError):  # on a full disk, what the block writes says so
            replace_file(folder / HOLDER, f"process {os.getpid()} on {platform.node()}, since {now},".encode())
        yield
    finally:
        with suppress(OSError):
            (folder / HOLDER).unlink(missing_ok=True)
            (folder / LOCK).unlink(missing_ok=True)  # while it is held: who waits for it notices, and makes another
        lock.release()


def _holder(folder: Path) -> str:
    with suppress(OSError):
        return (folder / HOLDER).read_text()
    return "another process"
