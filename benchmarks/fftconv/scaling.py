"""How the time grows: with threads and batch, and with the pictures' size. (With k: the layers' rows.)"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from benchmarks.fftconv.layers import choice
from benchmarks.fftconv.timing import Shape, direct_steps, fft_steps, timed
from benchmarks.record import Job, Row

THREADS = (1, 2)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
PIXELS = (7, 8, 14, 16, 28, 32, 56, 112, 224)
LAYER = (256, 14, 7)  # channels, pixels, kernel, of the scaling with threads and batch
SIZES = (4, 64, 7)  # batch, channels, kernel, of that with the pictures' size
BUDGET = 1.2  # seconds


def jobs(quick: bool) -> Iterator[Job]:
    """Every row."""
    channels, pixels, kernel = LAYER
    for threads in THREADS:
        for batch in (1, 16) if quick else BATCHES:
            shape = Shape(batch, channels, pixels, kernel)
            yield Job(f"scaling/threads/{threads}/{shape.key}", partial(measure, shape, threads))
    batch, channels, kernel = SIZES
    for pixels in (7, 28, 112) if quick else PIXELS:
        shape = Shape(batch, channels, pixels, kernel)
        yield Job(f"scaling/pixels/{shape.key}", partial(measure, shape, None))


def measure(shape: Shape, threads: int | None) -> Row:
    """Training steps with a number of threads, or as many as there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        row: Row = {"shape": vars(shape), "threads": threads or before, "auto": choice(shape, torch.float32, True)}
        small = Shape(shape.batch, shape.channels, shape.pixels, 3)
        row["same"] = timed({**_ours(shape), **direct_steps("direct", shape, torch.float32, True)}, BUDGET)
        row["small"] = timed({**_ours(shape), **direct_steps("3x3", small, torch.float32, True)}, BUDGET, least=6)
        return row
    finally:
        torch.set_num_threads(before)


def _ours(shape: Shape) -> dict:
    return {"fft": fft_steps(shape, torch.float32, True)["fft"]}
