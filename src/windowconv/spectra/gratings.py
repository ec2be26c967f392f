"""Pure gratings: cosines whose frequencies lie on the grid of an image's discrete Fourier transform."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.integers import check_int, check_ints
from windowconv.spectra.forward import check_bytes
from windowconv.tables import by_sign

AXES = (1, 2)


def grating_frequencies(size: int, axes: int = 2) -> Tensor:
    """Every frequency and orientation that a real image of `size` x `size` pixels, or a real signal, can hold, once.

    A cosine at +f is one at -f: of each pair the one with the larger row is taken (with the larger column where
    the rows are equal). Frequencies at 0 and at 1/2 on both axes are their own partners.

    Args:
        size: pixels of a side, 1 or more.
        axes: 2 for images, 1 for signals of `size` samples.

    Returns:
        int64 (G, axes), cycles per image along rows and columns in [-size/2, size/2), by increasing distance from 0;
        G = (size^axes + s) / 2, where s is 2^axes for even sizes and 1 for odd ones. Divided by `size`: cycles/pixel.

    Raises:
        InputError: a size below 1, or so large that the list would not fit in memory; another number of axes.

    >>> grating_frequencies(2).tolist()
    [[0, 0], [-1, 0], [0, -1], [-1, -1]]
    >>> grating_frequencies(4, axes=1).tolist()
    [[0], [1], [-2]]
    """
    size = check_int("size", size, 1, "pixels")
    if axes not in AXES:
        raise InputError(f"axes={axes!r}; allowed: 1 or 2")
    check_bytes(f"size={size}: the list of frequencies", 40 * size**axes, "use a smaller size")
    side = torch.arange(-(size // 2), size - size // 2)
    both = torch.cartesian_prod(*[side] * axes).view(-1, axes)
    partner = torch.where(2 * both == -size, both, -both)  # -size/2 and size/2 are one frequency
    order = torch.tensor([(2 * size) ** i for i in reversed(range(axes))])  # rows count before columns
    kept = both[both @ order >= partner @ order]
    return kept[kept.square().sum(1).argsort(stable=True)]


def grating_images(
    frequencies: Tensor,
    size: int | tuple[int, ...],
    phases: Sequence[float] = (0.0,),
    device: torch.device | str = "cpu",
) -> Tensor:
    """Cosines of amplitude 1.

        cos(2 pi (row * k0 / height + column * k1 / width) + phase), of signals cos(2 pi sample * k0 / size + phase)

    Not for frequencies between those of the grid: the discrete Fourier transform of such a grating leaks.

    Args:
        frequencies: integers (G, 2), cycles per image along rows and columns, or (G, 1) for signals.
        size: pixels of a side, or (height, width).
        phases: in radians; at frequencies that are their own partners pi/2 gives zero everywhere.
        device: of the images.

    Returns:
        float64 (G, phases, height, width), or (G, phases, samples).

    Raises:
        InputError: frequencies of another shape or not whole; gratings that together would not fit in memory.

    >>> [round(value) for value in grating_images(torch.tensor([[0, 1]]), 4)[0, 0, 0].tolist()]
    [1, 0, -1, 0]
    """
    axes = frequencies.shape[1] if frequencies.ndim == 2 and frequencies.shape[1] in AXES else 2
    sides = check_ints("size", size, axes=axes, least=1)
    if frequencies.ndim != 2 or frequencies.shape[1] not in AXES or frequencies.is_floating_point():
        given = f"{tuple(frequencies.shape)} of {frequencies.dtype}"
        raise InputError(f"frequencies={given}; allowed: integers (G, 2), in cycles per image, or (G, 1)")
    wanted = 16 * len(frequencies) * len(phases) * math.prod(sides)
    check_bytes(f"{len(frequencies):,} gratings of {by_sign(sides)}", wanted, "make them in parts")
    k = frequencies.to(device)
    turns = torch.zeros((), dtype=torch.float64, device=device)
    for axis, n in enumerate(sides):
        # the angles are reduced as whole numbers, so that cosines of many turns are as exact as those of one
        along = (torch.arange(n, device=device) * k[:, axis : axis + 1]).remainder(n).double() / n
        turns = turns + along.view(len(k), 1, *[n if i == axis else 1 for i in range(axes)])
    offsets = torch.tensor(list(phases), dtype=torch.float64, device=device)
    return torch.cos(2 * torch.pi * turns + offsets.view(-1, *[1] * axes))
