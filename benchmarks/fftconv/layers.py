"""Layers of the grid: training steps and forward passes, ours against torch's own of the same size and its 3x3.

The grid is that of the bars: 64 to 512 channels, 7 to 56 pixels, kernels of 3 to 11, at batch 64 for CIFAR's sizes (32,
16, 8 pixels) and 32 for ImageNet's (56, 28, 14, 7). Left out, for time:

- 192 channels or more at 32 and 56 pixels, where there is no bar, but for some shapes that `auto` is tried on;
- k=5 and 9 outside of 14 to 28 pixels and 128 channels or more, k=11 there but for 64 and 512 channels;
- steps of more than 3 tera-operations: k=9 and 11 with 512 channels at 28 pixels, k=11 at 16.

In bf16: k=7 everywhere, the other kernels at one shape for each kind of picture. Forward alone: k=3, 7 and 11 where a
direct step has up to a tera-operation. Pure PyTorch: k=7, and training steps at two shapes with all kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

import torch

from benchmarks.fftconv.timing import Shape, direct_steps, fft_steps, in_pure_pytorch, tensors, timed
from benchmarks.record import Job, Row
from windowconv.fftconv.arguments import make_geometry
from windowconv.fftconv.convolution import choose_algorithm

CHANNELS = (64, 128, 192, 256, 512)
BATCHES = {56: 32, 32: 64, 28: 32, 16: 64, 14: 32, 8: 64, 7: 32}
KERNELS = (3, 5, 7, 9, 11)
BFLOAT16_OTHERS = ((64, 32), (128, 28), (256, 14), (512, 7))  # (channels, pixels) with all kernels
LARGE = (Shape(32, 192, 32, 7), Shape(32, 256, 56, 3), Shape(32, 512, 32, 3))
QUICK = (
    Shape(32, 64, 56, 7),
    Shape(32, 128, 28, 5),
    Shape(32, 256, 14, 3),
    Shape(32, 256, 14, 7),
    Shape(32, 512, 7, 7),
)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
IN_PICTURE = ((128, 28), (256, 14))  # (channels, pixels) of the picture of time against k
UP_TO, FORWARD_UP_TO = 3e12, 1e12  # operations of a training step
BUDGET = {"training": 1.8, "forward": 0.8}  # seconds of rounds against 3x3, and again against the same size


def shapes(dtype: str, kind: str) -> Iterator[Shape]:
    """What is measured in a full run."""
    if kind == "forward":
        short = (shape for shape in shapes(dtype, "training") if shape.operations <= FORWARD_UP_TO)
        yield from (shape for shape in short if shape.kernel in (3, 7, 11))
        return
    for channels, pixels, kernel in product(CHANNELS, BATCHES, KERNELS):
        if channels >= 192 and pixels >= 32:
            continue
        barred = channels >= 128 and 14 <= pixels <= 28
        if dtype == "float32":
            wanted = kernel in (3, 7) or barred or (kernel == 11 and channels in (64, 512))
        else:
            wanted = kernel == 7 or (channels, pixels) in BFLOAT16_OTHERS
        shape = Shape(BATCHES[pixels], channels, pixels, kernel)
        if wanted and shape.operations <= UP_TO:
            yield shape
    yield from LARGE


def jobs(quick: bool) -> Iterator[Job]:
    """Every row."""
    for dtype, kind in product(DTYPES, ("training", "forward")):
        for shape in QUICK if quick else shapes(dtype, kind):
            key = f"layers/{dtype}/{kind}/{shape.key}"
            yield Job(key, partial(measure, shape, dtype, kind, BUDGET[kind] / (4 if quick else 1)))


def measure(shape: Shape, dtype: str, kind: str, budget: float) -> Row:
    """One row: rounds against torch's 3x3, and others against torch's own of the same size."""
    torch_dtype, training = DTYPES[dtype], kind == "training"
    ours = fft_steps(shape, torch_dtype, training)
    pure = {"pure": in_pure_pytorch(ours["fft"])} if dtype == "float32" else {}
    in_picture = training and (shape.channels, shape.pixels) in IN_PICTURE
    small = Shape(shape.batch, shape.channels, shape.pixels, 3)
    row: Row = {"shape": vars(shape), "dtype": dtype, "kind": kind, "auto": choice(shape, torch_dtype, training)}
    beside = pure if shape.kernel == 7 or in_picture else {}
    row["small"] = timed({**ours, **beside, **direct_steps("3x3", small, torch_dtype, training)}, budget, least=6)
    if shape.kernel == 3:
        return row
    del ours["fft contiguous"]
    beside = pure if shape.kernel == 7 else {}
    row["same"] = timed({**ours, **beside, **direct_steps("direct", shape, torch_dtype, training)}, budget)
    return row


def choice(shape: Shape, dtype: torch.dtype, training: bool) -> str:
    """What "auto" means here."""
    x, w, _ = tensors(shape, dtype, torch.channels_last)
    half = shape.kernel // 2
    with torch.set_grad_enabled(training):
        return choose_algorithm("auto", x, w, make_geometry(tuple(w.shape[2:]), 1, half, 1, shape.groups))
