"""The tables of the discrete Fourier transforms, computed in float64 from a plan's positions and cast once.

A convolution is a trilinear form in the input x, the kernel w and the output's gradient g, summed over frequencies f:

    sum_f scale_f Re(conj(X_f) W_f conj(G_f))      X = sum x exp(i p f),  W = sum w exp(i p f),  G = sum g exp(-i p f)

with p the samples' positions times 2 pi / period; the output and both gradients are its derivatives. The tensors are
real, so along the width only columns 0 ... period // 2 are kept, and of the self-conjugate columns (the first, and the
last of an even period) only half of the rows. A frequency that stands for its conjugate too counts twice.

Along the height, samples are first folded about the centre: sums of those at +p and -p multiply cosines, differences
sines. With z the transform of a sum along the width, and i z that of a difference, the real parts of the spectrum come
from the real parts of z alone and the imaginary ones from its imaginary parts, both by one table of cosines and sines.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from windowconv.fftconv.tile_plan import TensorTiles

Role = Literal["input", "kernel", "output"]
SIGNS = {"input": 1.0, "kernel": 1.0, "output": -1.0}  # of the exponent


@dataclass(frozen=True)
class Fold:
    """The indices of two samples of a tile at the same distance from its centre; None outside the tile."""

    above: int | None
    below: int | None
    distance: float

    @property
    def centre(self) -> bool:
        """Whether it is the one sample at the centre, which has no difference."""
        return self.above == self.below


@dataclass(frozen=True)
class Tables:
    """The tables of one tensor's transform: along the width, then along the height by columns of frequencies."""

    sums: Tensor  # (2 columns, samples): real parts of all columns, then imaginary ones
    differences: Tensor  # the same times the sign times i
    full: Tensor  # (rows, folded samples)
    mirrored: Tensor  # the same for a self-conjugate column, which keeps half of the rows


def half(period: int) -> int:
    """The frequencies kept for `period` real samples; the others are their conjugates."""
    return period // 2 + 1


@lru_cache(maxsize=4096)
def folds(side: TensorTiles) -> tuple[Fold, ...]:
    """The pairs that cover a tile, from its centre outwards."""
    pairs = []
    for index, distance in enumerate(side.distances()):
        above, below = (side.centre2 + 1) // 2 + index, side.centre2 // 2 - index
        ends = tuple(end if 0 <= end < side.length else None for end in (above, below))
        if ends != (None, None):
            pairs.append(Fold(ends[0], ends[1], float(distance)))
    return tuple(pairs)


@lru_cache(maxsize=512)
def make_tables(
    role: Role, height: TensorTiles, width: TensorTiles, dtype: torch.dtype, device: torch.device
) -> Tables:
    """The tables of one tensor's transform."""
    sign, columns, rows = SIGNS[role], half(width.period), height.period
    across = _angles(columns, width.positions(), width.period)
    sums = np.concatenate([np.cos(across), sign * np.sin(across)])
    differences = np.concatenate([-np.sin(across), sign * np.cos(across)])
    full, mirrored = _folded(height, rows), _folded(height, half(rows))
    if role == "output":
        area = height.period * width.period
        full, mirrored = full * (2 / area), mirrored * (_counts(rows)[:, None] / area)
    return Tables(*(torch.from_numpy(table).to(device, dtype) for table in (sums, differences, full, mirrored)))


def _folded(side: TensorTiles, frequencies: int) -> np.ndarray:
    """The table (frequencies, sums and differences) of one axis."""
    sums = np.array([fold.distance for fold in folds(side)])
    differences = np.array([fold.distance for fold in folds(side) if not fold.centre])
    cosines = np.cos(_angles(frequencies, sums, side.period))
    return np.concatenate([cosines, np.sin(_angles(frequencies, differences, side.period))], axis=1)


def _angles(frequencies: int, positions: np.ndarray, period: int) -> np.ndarray:
    """Angles (frequencies, positions) in radians; positions are multiples of one half, so the remainder is exact."""
    return np.mod(np.arange(frequencies)[:, None] * positions, period) * (2 * np.pi / period)


def _counts(period: int) -> np.ndarray:
    """How many rows each kept row of a self-conjugate column stands for: (half(period),)."""
    counts = np.full(half(period), 2.0)
    counts[0] = 1.0
    if period % 2 == 0:
        counts[-1] = 1.0
    return counts
