"""Pure gratings: cosines whose frequencies lie on the grid of an image's discrete Fourier transform."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.integers import check_int, check_ints
from windowconv.spectra.forward import check_bytes


def grating_frequencies(size: int) -> Tensor:
    """Every frequency and orientation that a real image of `size` x `size` pixels can hold, once.

    A cosine at +f is one at -f: of each pair the one with the larger row is taken (with the larger column where
    the rows are equal). Frequencies at 0 and at 1/2 on both axes are their own partners.

    Args:
        size: pixels of a side, 1 or more.

    Returns:
        int64 (G, 2), cycles per image along rows and columns in [-size/2, size/2), by increasing distance from 0;
        G = (size^2 + s) / 2, where s is 4 for even sizes and 1 for odd ones. Divided by `size`: cycles/pixel.

    Raises:
        InputError: a size below 1, or so large that the list would not fit in memory.

    >>> grating_frequencies(2).tolist()
    [[0, 0], [-1, 0], [0, -1], [-1, -1]]
    """
    size = check_int("size", size, 1, "pixels")
    check_bytes(f"size={size}: the list of frequencies", 40 * size**2, "use a smaller size")
    side = torch.arange(-(size // 2), size - size // 2)
    both = torch.cartesian_prod(side, side)
    partner = torch.where(2 * both == -size, both, -both)  # -size/2 and size/2 are one frequency
    first = (both[:, 0] > partner[:, 0]) | ((both[:, 0] == partner[:, 0]) & (both[:, 1] >= partner[:, 1]))
    kept = both[first]
    return kept[kept.square().sum(1).argsort(stable=True)]


def grating_images(
    frequencies: Tensor,
    size: int | tuple[int, int],
    phases: Sequence[float] = (0.0,),
    device: torch.device | str = "cpu",
) -> Tensor:
    """Cosines of amplitude 1.

        cos(2 pi (row * k0 / height + column * k1 / width) + phase)

    Not for frequencies between those of the grid: the discrete Fourier transform of such a grating leaks.

    Args:
        frequencies: integers (G, 2), cycles per image along rows and columns.
        size: pixels of a side, or (height, width).
        phases: in radians; at frequencies that are their own partners pi/2 gives zero everywhere.
        device: of the images.

    Returns:
        float64 (G, phases, height, width).

    Raises:
        InputError: frequencies of another shape or not whole; gratings that together would not fit in memory.

    >>> [round(value) for value in grating_images(torch.tensor([[0, 1]]), 4)[0, 0, 0].tolist()]
    [1, 0, -1, 0]
    """
    height, width = check_ints("size", size, axes=2, least=1)
    if frequencies.ndim != 2 or frequencies.shape[1] != 2 or frequencies.is_floating_point():
        given = f"{tuple(frequencies.shape)} of {frequencies.dtype}"
        raise InputError(f"frequencies={given}; allowed: integers (G, 2), in cycles per image")
    wanted = 16 * len(frequencies) * len(phases) * height * width
    check_bytes(f"{len(frequencies):,} gratings of {height}x{width}", wanted, "make them in parts")
    k = frequencies.to(device)
    # the angles are reduced as whole numbers, so that cosines of many turns are as exact as those of one
    rows = (torch.arange(height, device=device) * k[:, :1]).remainder(height).double() / height
    columns = (torch.arange(width, device=device) * k[:, 1:]).remainder(width).double() / width
    turns = rows[:, None, :, None] + columns[:, None, None, :]
    offsets = torch.tensor(list(phases), dtype=torch.float64, device=device)[:, None, None]
    return torch.cos(2 * torch.pi * turns + offsets)
