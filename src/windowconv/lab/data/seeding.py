"""Random streams that depend on what they are for, and on nothing else."""

from __future__ import annotations

import hashlib
import random

import torch


def seeded_generator(*purpose: str | int) -> torch.Generator:
    """A CPU generator seeded by a hash of `purpose`.

    Seeds made by adding (seed + epoch) would give run 1 in epoch 2 and run 2 in epoch 1 the same numbers; a
    hash keeps every purpose apart. The generator is always on the CPU, so that every device sees the same
    numbers.

    >>> seeded_generator("order", 1, 2).initial_seed() == seeded_generator("order", 1, 2).initial_seed()
    True
    >>> seeded_generator("order", 1, 2).initial_seed() == seeded_generator("order", 2, 1).initial_seed()
    False
    """
    # Sixty-three bits: manual_seed takes no larger positive number.
    return torch.Generator().manual_seed(_hashed(purpose) >> 1)


def seeded_numpy(*purpose: str | int) -> random.Random:
    """Python's own generator, seeded as `stream` is: for a few numbers an image, which it gives in microseconds.

    Draw with `random()` only: Python promises that its numbers stay the same in later versions, and promises
    nothing for the other methods.

    >>> seeded_numpy("crop", 1).random() == seeded_numpy("crop", 1).random()
    True
    """
    return random.Random(_hashed(purpose))


def _hashed(purpose: tuple[str | int, ...]) -> int:
    return int.from_bytes(hashlib.sha256(repr(purpose).encode()).digest()[:8], "big")
