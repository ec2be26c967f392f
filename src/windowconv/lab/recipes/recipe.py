"""A recipe: a data set, arms and settings under a name, as Python values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from windowconv.lab.config import Training

ARMS = ("3x3", "7x7", "7x7-hamming")


@dataclass(frozen=True)
class Recipe:
    """What a training protocol says.

    Args:
        name: as on the command line.
        about: one line for `windowconv recipes`.
        data: the data's name; `--data` takes another.
        training: its settings; options on the command line go before them.
        arms: that the protocol compares.
        seeds: runs an arm by default.
    """

    name: str
    about: str
    data: str
    training: Training
    arms: tuple[str, ...] = ARMS
    seeds: int = 1

    def but(self, suffix: str, about: str, seeds: int = 1, **changes: Any) -> Recipe:
        """Another recipe, NAME-SUFFIX in place of NAME-paper, with some settings changed."""
        name = f"{self.name.removesuffix('-paper')}-{suffix}"
        return replace(self, name=name, about=about, seeds=seeds, training=replace(self.training, **changes))
