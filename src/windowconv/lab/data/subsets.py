"""Which images a subset takes: random, but with every class considered."""

from __future__ import annotations

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.data.seeding import seeded_generator


def stratified(labels: Tensor, classes: int, n: int, seed: int) -> Tensor:
    """The positions of `n` random images, classes as equal in number as can be.

    The positions for a smaller `n` are among those for a larger one of the same seed.

    Args:
        labels: int64 (N,), each in [0, classes).
        classes: how many there are.
        n: how many images to choose.
        seed: which images.

    Returns:
        int64 (n,) on the CPU, ascending.

    Raises:
        InputError: `n` is below 1 or above N.
    """
    if not 1 <= n <= len(labels):
        raise InputError(f"n={n}: a subset of {len(labels)} images has 1 to {len(labels)}, or None for all")
    generator = seeded_generator("take", seed)
    shuffled, turn, rank = _turns(labels, classes, generator)
    # All first turns are taken before any second one. Within a turn the classes go in random order, or the
    # last classes would always be the short ones.
    return shuffled[torch.argsort(turn * classes + rank)[:n]].sort().values


def divide(labels: Tensor, classes: int, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """The positions of the rest, and of a random part of round(fraction N) images, one at least, to hold out.

    Every class gives the same share of its images, as far as whole numbers allow: equal numbers, as
    `stratified` takes them, could leave nothing of a rare class.

    Args:
        labels, classes: see `stratified`.
        fraction: in (0, 1).
        seed: which images.

    Returns:
        Two tensors int64 on the CPU, ascending.

    Raises:
        InputError: `fraction` lies outside (0, 1) or leaves no rest.
    """
    if not 0 < fraction < 1:
        raise InputError(f"fraction={fraction}; allowed: a number between 0 and 1")
    n = max(1, round(fraction * len(labels)))
    if n >= len(labels):
        raise InputError(f"fraction={fraction}; allowed: less, as of {len(labels)} images it leaves none")
    generator = seeded_generator("hold out", seed)
    shuffled, turn, rank = _turns(labels, classes, generator)
    counts = torch.bincount(labels.cpu(), minlength=classes)[labels.cpu()[shuffled]]
    # Each image's place within its class, as a fraction of the class: the smallest fractions are held out.
    within = (turn.double() + (rank + 0.5) / classes) / counts
    positions = shuffled[torch.argsort(within, stable=True)]
    return positions[n:].sort().values, positions[:n].sort().values


def _turns(labels: Tensor, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """The images in random order; for each, its turn within its class, and its class's place in a random order."""
    shuffled = torch.randperm(len(labels), generator=generator)
    labels = labels.cpu()[shuffled]
    by_class = torch.argsort(labels, stable=True)
    counts = torch.bincount(labels, minlength=classes)
    first = torch.cumsum(counts, 0) - counts
    turn = torch.empty_like(labels)
    turn[by_class] = torch.arange(len(labels)) - first[labels[by_class]]
    return shuffled, turn, torch.randperm(classes, generator=generator)[labels]
