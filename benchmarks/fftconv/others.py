"""Beside ours: the package fft-conv-pytorch, torch.fft with complex products, and depthwise 31x31 kernels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional as F

from benchmarks.fftconv.layers import choice
from benchmarks.fftconv.timing import Shape, direct_steps, fft_steps, step, timed
from benchmarks.record import Job, Row

PACKAGE = "fft_conv_pytorch"
SHAPES = (Shape(32, 128, 16, 7), Shape(32, 256, 14, 7))
# RepLKNet's kernel, at sizes of its stages
DEPTHWISE = tuple(Shape(32, channels, pixels, 31, channels) for channels, pixels in ((128, 56), (192, 28), (384, 14)))
BUDGET = 4.0  # seconds


def missing() -> list[str]:
    """What cannot be measured here."""
    return [] if find_spec(PACKAGE) else ["fft-conv-pytorch is not installed (pip install fft-conv-pytorch): left out."]


def jobs(quick: bool) -> Iterator[Job]:
    """Every row."""
    for kind in ("training", "forward"):
        if find_spec(PACKAGE) and not quick:  # half a minute
            yield Job(f"others/package/{kind}/{SHAPES[0].key}", partial(measure_package, SHAPES[0], kind))
        for shape in SHAPES[:1] if quick else SHAPES:
            yield Job(f"others/torch.fft/{kind}/{shape.key}", partial(measure_torch_fft, shape, kind))
        for shape in DEPTHWISE[-1:] if quick else DEPTHWISE:
            yield Job(f"others/depthwise/{kind}/{shape.key}", partial(measure_depthwise, shape, kind))


def measure_package(shape: Shape, kind: str) -> Row:
    """fft-conv-pytorch beside ours and torch's own."""
    from fft_conv_pytorch import fft_conv  # pyright: ignore[reportMissingImports]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its indexing
        return _measure(shape, kind, "fft-conv-pytorch", fft_conv)


def measure_torch_fft(shape: Shape, kind: str) -> Row:
    """torch.fft beside ours and torch's own."""
    return _measure(shape, kind, "torch.fft", torch_fft_conv2d)


def measure_depthwise(shape: Shape, kind: str) -> Row:
    """A depthwise layer, ours and torch's own."""
    training = kind == "training"
    row: Row = {"shape": vars(shape), "kind": kind, "auto": choice(shape, torch.float32, training)}
    steps = {**fft_steps(shape, torch.float32, training), **direct_steps("direct", shape, torch.float32, training)}
    return {**row, "same": timed(steps, BUDGET)}


def torch_fft_conv2d(input: Tensor, weight: Tensor, padding: int, groups: int) -> Tensor:
    """The convolution that keeps the size, by torch's transforms and one complex product for each frequency.

    The transform is circular over at least n + padding samples: what wraps around are zeros.
    """
    assert groups == 1
    n, k = input.shape[-2:], weight.shape[-1]
    size = [_fast(side + padding) for side in n]
    # tap t belongs at t - padding, counted around
    kernel = F.pad(weight, (0, size[1] - k, 0, size[0] - k)).roll((-padding, -padding), (2, 3))
    x, w = torch.fft.rfft2(input, s=size), torch.fft.rfft2(kernel)
    frequencies = x.shape[-2:]
    by_frequency = x.flatten(2).permute(2, 0, 1) @ w.conj().flatten(2).permute(2, 1, 0)
    y = by_frequency.permute(1, 2, 0).unflatten(2, frequencies)
    return torch.fft.irfft2(y, s=size)[..., : n[0], : n[1]]


def _fast(size: int) -> int:
    found = next_fast_len(size, real=True)
    assert found is not None
    return found


def _measure(shape: Shape, kind: str, name: str, convolution: Any) -> Row:
    training = kind == "training"
    ours = {"fft": fft_steps(shape, torch.float32, training)["fft"]}
    theirs = {name: step(convolution, shape, torch.float32, torch.contiguous_format, training)}
    steps = {**ours, **direct_steps("direct", shape, torch.float32, training), **theirs}
    # what takes gigabytes and frees them slows down the next call of whatever it is
    settle = [other for other in steps if other != name]
    return {"shape": vars(shape), "kind": kind, "name": name, "same": timed(steps, BUDGET, settle=settle)}
