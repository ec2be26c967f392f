"""A million file names in two arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np


class PackedNames:
    """Strings end to end in one array, and where each of them ends in another.

    As a list they would take a few times the memory, be pickled one by one for every process that is started,
    and be copied by every forked process that reads them, since reading counts references.

    >>> names = PackedNames(["ant/1.jpg", "bee/é.jpg"])
    >>> len(names), names[1]
    (2, 'bee/é.jpg')
    """

    def __init__(self, names: Iterable[str]) -> None:
        encoded = [os.fsencode(name) for name in names]
        self._bytes = np.frombuffer(b"".join(encoded), np.uint8)
        self._ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:
        return os.fsdecode(self._bytes[self._ends[index] : self._ends[index + 1]].tobytes())
