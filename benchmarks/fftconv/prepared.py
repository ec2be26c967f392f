"""Inference with packed kernel spectra kept by `prepare_inference`, beside torch's own and without."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

import windowconv
from benchmarks.fftconv.networks import SET_ALGORITHM, with_algorithm
from benchmarks.fftconv.timing import LAYOUTS, Shape, Step, direct_steps, fft_steps, tensors, timed
from benchmarks.record import Job, Row

PREPARE = "prepare_inference"
SHAPES = tuple(
    Shape(batch, channels, pixels, 7)
    for batch, pixels in ((32, 28), (64, 16), (32, 14))
    for channels in (128, 192, 256, 512)
)
BUDGET = 1.5  # seconds


def missing() -> list[str]:
    """What cannot be measured here."""
    if all(hasattr(windowconv, name) for name in (PREPARE, SET_ALGORITHM)):
        return []
    return [f"This windowconv has no {PREPARE}: prepared inference is left out."]


def jobs(quick: bool) -> Iterator[Job]:
    """Every row."""
    if missing():
        return
    for shape in (Shape(32, 256, 14, 7),) if quick else SHAPES:
        yield Job(f"prepared/{shape.key}", partial(measure, shape))


def measure(shape: Shape) -> Row:
    """Forward passes in turn."""
    prepared, size = prepared_step(shape)
    ours = {"prepared": prepared, "fft": fft_steps(shape, torch.float32, False)["fft"]}
    small = Shape(shape.batch, shape.channels, shape.pixels, 3)
    return {
        "shape": vars(shape),
        "bytes": size,
        "small": timed({**ours, **direct_steps("3x3", small, torch.float32, False)}, BUDGET, least=6),
        "same": timed({**ours, **direct_steps("direct", shape, torch.float32, False)}, BUDGET),
    }


def prepared_step(shape: Shape) -> tuple[Step, int]:
    """A forward pass of a layer whose spectra are kept, and the bytes that these take."""
    x, w, _ = tensors(shape, torch.float32, LAYOUTS[""])
    x = x.detach()
    layer = nn.Conv2d(shape.channels, shape.channels, shape.kernel, padding=shape.kernel // 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(w)
    layout: Any = {"memory_format": torch.channels_last}
    model = with_algorithm(nn.Sequential(layer).to(**layout), "fft").eval()
    report = getattr(windowconv, PREPARE)(model, x, max_bytes=1 << 40)
    if not all(layer.prepared for layer in report.layers):
        raise RuntimeError(f"not prepared:\n{report}")

    def infer() -> object:
        with torch.no_grad():
            return model(x)

    return infer, report.bytes
