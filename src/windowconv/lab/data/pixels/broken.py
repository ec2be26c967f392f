"""Which images cannot be decoded: found before a training instead of in its last hour."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from windowconv.errors import InputError, WindowWarning
from windowconv.lab.data.pixels.decode import WORTH_A_THREAD, check_mode, in_threads, open_image

SHOWN = 10  # names in a warning


def find_broken(read: Callable[[int], str | Path | bytes], n: int, where: Callable[[int], str]) -> list[int]:
    """The numbers of the images that cannot be decoded or have more than 8 bits a channel, sorted.

    Every image is decoded; JPEGs at an eighth of their size, which takes a fraction of the time and notices as much.

    Args:
        read: image `i`, as its file or as the file's bytes.
        n: the number of images.
        where: names image `i` for a person.
    """
    broken: list[int] = []

    def check(index: int) -> None:
        try:
            check_mode(open_image(read(index), where(index), _reduced), where(index))
        except InputError:
            broken.append(index)

    in_threads(check, n, WORTH_A_THREAD)
    return sorted(broken)


def warn_left_out(names: Sequence[str], n: int) -> None:
    """A `WindowWarning` that names the images that are left out, if there are some, of `n`."""
    if names:
        more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
        warnings.warn(
            f"{len(names):,} of {n:,} images cannot be decoded and are left out: {', '.join(names[:SHOWN])}{more}",
            WindowWarning,
            3,
        )


def _reduced(image: Any) -> None:
    image.draft(image.mode, (max(1, image.width // 8), max(1, image.height // 8)))
