"""What is timed computes the same as torch's own, and the rounds are what they are said to be."""

from typing import Any

import pytest
import torch
from benchmarks.fftconv.errors import measure as measure_errors
from benchmarks.fftconv.layers import measure, shapes
from benchmarks.fftconv.others import torch_fft_conv2d
from benchmarks.fftconv.timing import Shape, direct_steps, fft_steps, in_pure_pytorch, no_native, step, tensors, timed

from benchmarks.fftconv import timing
from windowconv.fftconv.native import library

SMALL = Shape(2, 8, 9, 5)


def test_steps_compute_the_same():
    for training in (True, False):
        steps = {**fft_steps(SMALL, torch.float32, training), **direct_steps("direct", SMALL, torch.float32, training)}
        steps["pure"] = in_pure_pytorch(steps["fft"])
        steps["torch.fft"] = step(torch_fft_conv2d, SMALL, torch.float32, torch.contiguous_format, training)
        results = [torch.cat([part.flatten() for part in _tuple(call())]) for call in steps.values()]
        for result in results[1:]:
            torch.testing.assert_close(result, results[0], rtol=1e-4, atol=1e-4)


def _tuple(value: Any) -> tuple[torch.Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)


def test_tensors_are_the_same_in_every_layout():
    last, first = (tensors(SMALL, torch.float32, layout) for layout in (torch.channels_last, torch.contiguous_format))
    assert all(torch.equal(a, b) for a, b in zip(last, first, strict=True))
    assert last[0].is_contiguous(memory_format=torch.channels_last)
    assert not last[0].is_contiguous()


def test_no_native():
    before = library.library()
    with no_native():
        assert library.library() is None
    assert library.library() is before


def test_rounds(monkeypatch):
    spent = {"fft": 0.1, "direct": 1.0, "direct contiguous": 1.2}
    calls = []
    monkeypatch.setattr(timing, "seconds", lambda function: function())
    monkeypatch.setattr(timing, "rounds", lambda kept, count, settle: calls.append((list(kept), count)) or {})
    got = timed({name: lambda took=took: took for name, took in spent.items()}, budget=4.4)
    assert calls == [(["fft", "direct"], 4)]
    assert got["dropped"] == {"direct contiguous": 1.2}
    timed({name: lambda took=took: took for name, took in spent.items()}, budget=0.1, least=6)
    assert calls[1:] == [(["fft", "direct"], 6)]


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_a_row(kernel):
    row = measure(Shape(2, 8, 9, kernel), "float32", "training", budget=1e-6)
    assert ("same" in row) == (kernel != 3)
    assert ("pure" in row["small"]["samples"]) == (kernel == 7)
    assert all(len(samples) == 6 for samples in row["small"]["samples"].values())
    assert row["auto"] in ("fft", "direct")


def test_errors():
    row = measure_errors(SMALL, "float32")
    assert all(1e-9 < error < 1e-6 for way in ("fft", "direct", "pure") for error in row[way].values())


def test_the_grid_holds_what_the_bars_are_about():
    grid = set(shapes("float32", "training"))
    sizes = {(shape.channels, shape.pixels) for shape in grid if shape.kernel == 7}
    assert {(c, p) for c in (128, 192, 256, 512) for p in (28, 16, 14, 8, 7)} <= sizes
    for kernel in (3, 5, 9, 11):
        there = {(shape.channels, shape.pixels) for shape in grid if shape.kernel == kernel}
        most = 256 if kernel > 7 else 512  # above 14 pixels, where more would take a minute a row
        assert {(c, p) for c in (128, 192, 256, 512) for p in (28, 16, 14) if p == 14 or c <= most} <= there
