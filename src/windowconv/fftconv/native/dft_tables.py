"""Cosine and sine tables of a plan for pairs of samples, computed in float64 and rounded once.

A tensor's transform along one axis, with pairs of samples at distances d from the centre and frequency f:

    z[f] = sum_d (x[+d] + x[-d]) cos(2 pi f d / period) + i sign sum_d (x[+d] - x[-d]) sin(2 pi f d / period)
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from windowconv.fftconv.tile_plan import TensorTiles


@lru_cache(maxsize=512)
def forward_tables(side: TensorTiles, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines, (pairs, frequencies 0 ... period/2) in float32; `sign` is that of the exponent."""
    angles = _angles(side)
    return _rounded(np.cos(angles)), _rounded(sign * np.sin(angles))


@lru_cache(maxsize=512)
def inverse_tables(side: TensorTiles, sign: int, half: bool) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines, (frequencies 0 ... period/2, pairs) in float32, divided by the period.

    With `half` the spectrum holds only these frequencies, and each stands for its conjugate too.
    """
    angles = _angles(side).T
    frequencies = np.arange(angles.shape[0])
    twice = half & (frequencies > 0) & (2 * frequencies != side.period)
    scale = np.where(twice, 2.0, 1.0)[:, None] / side.period
    return _rounded(scale * np.cos(angles)), _rounded(scale * sign * np.sin(angles))


def _angles(side: TensorTiles) -> np.ndarray:
    products = np.outer(side.distances(), np.arange(side.period // 2 + 1))
    return 2 * np.pi * np.mod(products, side.period) / side.period


def _rounded(table: np.ndarray) -> np.ndarray:
    table = np.ascontiguousarray(table, dtype=np.float32)
    table.setflags(write=False)
    return table
