"""What else might explain that a window helps: its values otherwise arranged, as arms have them for controls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating[Any]]

REACH = 1
"""How far a jittered window's values move, in taps along each axis."""
CORE = 3
"""Taps a side of a box: a small kernel, in the middle of a large one."""


def shuffled(values: Values, seed: int) -> Values:
    """The values at permuted taps: as small on the average, but nothing is left of a window.

    Args:
        values: a window's, (kH, kW).
        seed: of the permutation.
    """
    import torch

    from windowconv.lab.data.seeding import seeded_generator

    generator = seeded_generator("shuffled", seed, *values.shape)
    order = torch.randperm(values.size, generator=generator, device="cpu").numpy()
    return values.flatten()[order].reshape(values.shape)


def jittered(values: Values, seed: int) -> Values:
    """The values at permuted taps, each at most `REACH` taps along each axis from its own: large ones stay in the
    middle, so that the kernel is as local, but no longer smooth.

    The permutation is the cheapest assignment under independent uniform costs, with all far moves excluded.

    Args:
        values: a window's, (kH, kW).
        seed: of the costs.
    """
    import torch
    from scipy.optimize import linear_sum_assignment

    from windowconv.lab.data.seeding import seeded_generator

    generator = seeded_generator("jittered", seed, *values.shape)
    costs = torch.rand(values.size, values.size, generator=generator, dtype=torch.float64, device="cpu").numpy()
    places = np.stack(np.unravel_index(np.arange(values.size), values.shape), axis=1)
    distance = np.abs(places[:, None] - places[None]).max(2)
    _, order = linear_sum_assignment(np.where(distance <= REACH, costs, values.size))
    return values.flatten()[order].reshape(values.shape)


def box(values: Values, seed: int = 0) -> Values:
    """A box with a skirt: the root mean square of the values in the central `CORE` x `CORE` taps, and that of the rest.

    The energy inside and outside is the window's own, without its taper.

    Args:
        values: a window's, (kH, kW).
        seed: makes no difference.
    """
    places = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in values.shape), indexing="ij"))
    core = np.abs(places).max(0) <= CORE // 2
    result = np.empty_like(values)
    for part in (core, ~core):
        if part.any():
            result[part] = np.sqrt(np.mean(values[part] ** 2))
    return result


CONTROLS: dict[str, Callable[[Values, int], Values]] = {"shuffled": shuffled, "jittered": jittered, "box": box}
"""By the name of an arm's control."""
SEEDED = ("shuffled", "jittered")
"""Those that are drawn anew with each seed."""
