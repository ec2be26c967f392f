"""What the machine's libraries reach, as a measure for the rest: torch's products, direct convolution, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import torch

from benchmarks.fftconv.layers import DTYPES
from benchmarks.fftconv.timing import Shape, direct_steps
from benchmarks.pairs import seconds
from benchmarks.record import Job, Row

REPEATS = 9
SIDE = 2048  # of the matrices
LAYER = Shape(32, 256, 14, 3)
BYTES = 256 << 20


def jobs(quick: bool) -> Iterator[Job]:
    """Every row."""
    yield Job("rates/float32", partial(measure, "float32"))
    yield Job("rates/bfloat16", partial(measure, "bfloat16"))


def measure(dtype: str) -> Row:
    """GFLOP/s and GB/s."""
    a, b = (torch.rand(SIDE, SIDE).to(DTYPES[dtype]) for _ in range(2))
    source, target = (torch.empty(BYTES, dtype=torch.uint8).fill_(1) for _ in range(2))
    direct = direct_steps("3x3", LAYER, DTYPES[dtype], True).values()
    return {
        "product of matrices, GFLOP/s": 2e-9 * SIDE**3 / _median(lambda: a @ b),
        "direct 3x3 training step, GFLOP/s": 1e-9 * LAYER.operations / min(map(_median, direct)),
        "copy, GB/s": 2e-9 * BYTES / _median(lambda: target.copy_(source)),
    }


def _median(function: Callable[[], object]) -> float:
    function()
    return median(seconds(function) for _ in range(REPEATS))
