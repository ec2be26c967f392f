"""The transforms' tables, built in float64 from a plan's places and cast once.

A convolution is a trilinear form in input x, kernel w and output's gradient g, summed over frequencies f:

    sum_f scale_f Re(X_f W_f G_f)      X = sum x exp(-i p f),  W = sum w exp(+i p f),  G = sum g exp(+i p f)

with p the samples' places times 2 pi / period; the output and both gradients are its derivatives. The complex product
takes three real ones (Gauss), of three linear forms of each factor, which are part of the tables:

    Re(X W G) = (Xr + Xi) Wr (Gr - Gi)  -  Xr (Wi - Wr) Gi  -  Xi (Wr + Wi) Gr

Along the width only columns 0 ... period // 2 are kept, since the tensors are real; the columns that mirror themselves
(the first, and the last of an even period) keep half of their rows too. What is kept for two counts twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from windowconv.fftconv.plan import Side

Role = Literal["input", "kernel", "output"]
_SIGNS = {"input": -1.0, "kernel": 1.0, "output": 1.0}
# each role's three forms, as factors of the real and the imaginary part
_FORMS = {
    "input": ((1, 1), (1, 0), (0, 1)),
    "kernel": ((1, 0), (-1, 1), (1, 1)),
    "output": ((1, -1), (0, -1), (-1, 0)),
}


@dataclass(frozen=True)
class Tables:
    """One tensor's transform: along the width, then along the height by columns of frequencies."""

    width: Tensor  # (2 columns, samples): real parts of all columns, then imaginary ones
    full: Tensor  # (3 rows, 2 samples): three forms of all rows, from each sample's real part and imaginary part
    mirrored: Tensor  # the same with half the rows


def full_rows(period: int) -> int:
    """Frequencies that an ordinary column keeps."""
    return period


def half_rows(period: int) -> int:
    """Frequencies that a column keeps that mirrors itself; the width keeps as many columns."""
    return period // 2 + 1


@lru_cache(maxsize=512)
def make_tables(role: Role, height: Side, width: Side, dtype: torch.dtype, device: torch.device) -> Tables:
    """The tables of one tensor's transform."""
    # an even period's last column mirrors itself as the first does, but its table is the same
    columns = half_rows(width.period)
    across = _SIGNS[role] * _angles(width, columns)
    rows = _angles(height, full_rows(height.period)), _angles(height, half_rows(height.period))
    full, mirrored = (_forms(role, _SIGNS[role] * angles) for angles in rows)
    if role == "output":
        area = height.period * width.period
        full = full * (2.0 / area)
        mirrored = mirrored * (_counts(height.period)[:, None, None] / area)
    tables = np.concatenate([np.cos(across), np.sin(across)]), _flat(full), _flat(mirrored)
    with torch.inference_mode(False):
        return Tables(*(torch.from_numpy(t).to(device=device, dtype=dtype) for t in tables))


def _angles(side: Side, frequencies: int) -> np.ndarray:
    """(frequencies, samples); places are multiples of one half, so the remainder is exact."""
    turns = np.arange(frequencies)[:, None] * side.places()[None, :]
    return np.mod(turns, side.period) * (2 * np.pi / side.period)


def _forms(role: Role, angles: np.ndarray) -> np.ndarray:
    """(3, frequencies, samples, 2): exp(i angle) times each real and imaginary part, then the role's forms."""
    real = np.stack([np.cos(angles), -np.sin(angles)], axis=-1)
    imaginary = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return np.stack([a * real + b * imaginary for a, b in _FORMS[role]])


def _counts(period: int) -> np.ndarray:
    """How many rows each kept row of a mirrored column stands for."""
    counts = np.full(half_rows(period), 2.0)
    counts[0] = 1.0
    if period % 2 == 0:
        counts[-1] = 1.0
    return counts


def _flat(forms: np.ndarray) -> np.ndarray:
    return forms.reshape(forms.shape[0] * forms.shape[1], -1)
