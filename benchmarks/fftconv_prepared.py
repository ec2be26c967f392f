"""Inference with packed kernel spectra kept by `prepare_inference`, beside torch's own and without."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from fftconv_record import Job, Row
from fftconv_timing import LAYOUTS, Shape, Step, direct_steps, fft_steps, tensors, timed
from torch import nn

import windowconv

PREPARE = "prepare_inference"
SHAPES = tuple(
    Shape(batch, channels, pixels, 7)
    for batch, pixels in ((32, 28), (64, 16), (32, 14))
    for channels in (128, 192, 256, 512)
)
BUDGET = 1.5  # seconds


def missing() -> list[str]:
    """What cannot be measured here."""
    if all(hasattr(windowconv, name) for name in (PREPARE, "set_algorithm")):
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
    ours = {"prepared": prepared_step(shape), "fft": fft_steps(shape, torch.float32, False)["fft"]}
    small = Shape(shape.batch, shape.channels, shape.pixels, 3)
    return {
        "shape": vars(shape),
        "small": timed({**ours, **direct_steps("3x3", small, torch.float32, False)}, BUDGET, least=6),
        "same": timed({**ours, **direct_steps("direct", shape, torch.float32, False)}, BUDGET),
    }


def prepared_step(shape: Shape) -> Step:
    """A forward pass of a layer whose spectra are kept."""
    x, w, _ = tensors(shape, torch.float32, LAYOUTS[""])
    layer = nn.Conv2d(shape.channels, shape.channels, shape.kernel, padding=shape.kernel // 2, bias=False)
    library: Any = windowconv
    model = windowconv.convert(nn.Sequential(layer), window=None).eval()
    library.set_algorithm(model, "fft")
    convolution: Any = model[0]  # pyright: ignore[reportIndexIssue]
    with torch.no_grad():
        convolution.weight.copy_(w)
    layout: Any = {"memory_format": torch.channels_last}
    getattr(library, PREPARE)(model.to(**layout), max_bytes=1 << 40)

    def infer() -> object:
        with torch.no_grad():
            return model(x.detach())

    return infer
