"""Where data are looked for, and how they are fetched where there is a network."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from windowconv.errors import InputError
from windowconv.lab.data.sets import ImageData

VARIABLE = "WINDOWCONV_DATA"
TIMEOUT_S = 10.0
"""Of silence on the network, after which a download is given up."""


class DataNotFound(InputError):
    """A public data set that is in none of the places and could not be downloaded."""


@dataclass(frozen=True)
class Source:
    """A public data set: how to read it, fetch it, and put it there by hand.

    Args:
        title: its name in a sentence.
        read: the data in a folder, in the image size asked for, or None if they aren't there.
        fetch: downloads into a folder, checksums compared; raises if it can't.
        keep: what of the download stays, as a glob pattern.
        by_hand: what a person does instead, with `{root}` for the data folder.
    """

    title: str
    read: Callable[[Path, int | None], ImageData | None]
    fetch: Callable[[Path], object]
    keep: str
    by_hand: str


def roots(root: str | os.PathLike[str] | None) -> list[Path]:
    """The data folders: `root` alone if given, else $WINDOWCONV_DATA if set, and ./data."""
    if root is not None:
        return [Path(root).expanduser()]
    variable = os.environ.get(VARIABLE)
    return [*([Path(variable).expanduser()] if variable else []), Path("data")]


def find(name: str, source: Source, places: Sequence[Path], image_size: int | None) -> ImageData | None:
    """The data in the first of `places` that has them, in its subfolder `name` or in itself."""
    for place in places:
        for folder in (place / name, place):
            data = source.read(folder, image_size)
            if data is not None:
                return data
    return None


def download(source: Source, places: Sequence[Path]) -> None:
    """Fetch into the first of `places` that can be written; one line on stderr says so.

    Raises:
        InputError: none can be written, or the network does not deliver: the message says what to put where.
    """
    looked = ", ".join(map(str, places))
    target = next((place for place in places if _writable(place)), None)
    if target is None:
        raise not_found(source, places, "and no folder there can be written to")
    print(f"windowconv: {source.title} was not found in {looked}; downloading it into {target}", file=sys.stderr)
    there = target.exists()
    target.mkdir(parents=True, exist_ok=True)
    timeout = socket.getdefaulttimeout()
    try:
        # torchvision sets no timeout of its own. An interrupted download must leave nothing that looks like
        # data: so it goes into a folder of its own, and what is complete is moved.
        socket.setdefaulttimeout(TIMEOUT_S)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=target) as temporary:
            source.fetch(Path(temporary))
            _move(Path(temporary), target, source.keep)
    except (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if not there:
            with suppress(OSError):  # not empty: somebody else's by now
                target.rmdir()
        raise not_found(source, [target, *(p for p in places if p != target)],
                        f"and could not be downloaded ({reason})") from error  # fmt: skip
    finally:
        socket.setdefaulttimeout(timeout)


def not_found(source: Source, places: Sequence[Path], why: str) -> DataNotFound:
    """The error that says where it was looked for, and what to put where."""
    looked = ", ".join(map(str, places))
    by_hand = source.by_hand.format(root=places[0])
    return DataNotFound(
        f"{source.title} was not found in {looked} {why}: {by_hand}, or name the folder with --data-root or {VARIABLE}"
    )


def _writable(place: Path) -> bool:
    """Whether `place`, or the nearest folder above it that exists, can be written to; leaves nothing."""
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def _move(start: Path, target: Path, keep: str) -> None:
    for path in sorted(start.glob(keep)):
        goal = target / path.relative_to(start)
        goal.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and goal.exists():
            shutil.copytree(path, goal, dirs_exist_ok=True)
        else:
            os.replace(path, goal)
