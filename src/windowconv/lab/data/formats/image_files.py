"""The image files below a class folder, and what is passed over there."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from windowconv.errors import InputError, WindowWarning

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp")
UNREAD = (".heic", ".heif", ".avif", ".gif", ".jfif", ".jp2", ".jxl", ".svg", ".dng", ".raw", ".psd", ".npy")
"""Endings of images that are not read: they are counted and named."""
HIDDEN = (".", "@", "__")
"""What hidden names begin with: .ipynb_checkpoints, ._photo.jpg, @eaDir of network disks, __MACOSX of archives."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder is there for a program and not for a person."""
    return name.startswith(HIDDEN)


def image_files(folder: Path) -> list[str]:
    """The images in a class folder and below, sorted; hidden ones and other files (lists, notes) are passed over.

    Links are followed, those that lead back to a folder above once at most. Images whose ending is not read are counted
    in a `WindowWarning`.

    Raises:
        InputError: none is there.
    """
    found: list[str] = []
    unread: Counter[str] = Counter()
    for place, files in _folders(folder):
        for file in sorted(files):
            ending = os.path.splitext(file)[1].lower()
            if ending in SUFFIXES:
                found.append(os.path.join(place, file))
            elif ending in UNREAD:
                unread[ending] += 1
    listed = ", ".join(f"{count} {ending}" for ending, count in sorted(unread.items()))
    if not found:
        instead = f" but {listed}" if unread else ""
        raise InputError(
            f"{folder}: holds no image ({', '.join(SUFFIXES)}){instead}: add or convert some, or remove the folder"
        )
    if unread:
        warnings.warn(f"{folder}: images of other kinds are left out ({listed}); convert them", WindowWarning, 2)
    return found


def _folders(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The folder and those below, sorted by path, each real one once, with the names of the files in them."""
    seen: set[str] = set()
    found = []
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()  # a link led back here
            continue
        seen.add(real)
        found.append((place, [file for file in files if not is_hidden(file)]))
    return iter(sorted(found))
