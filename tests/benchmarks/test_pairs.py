"""The interval of a median of ratios, and the verdict that follows from it."""

import itertools
import time

import numpy as np
import pytest
from benchmarks.pairs import Ratio, interleaved, rounds
from scipy.stats import quantile_test

from benchmarks import pairs as pairs_module


def ratio(low: float, high: float) -> Ratio:
    return Ratio((low + high) / 2, low, high, 20, 1.0, 1.0)


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.98, 1.01, "met"), (1.03, 1.05, "missed"), (1.0, 1.04, "undecided")]
)
def test_verdict(low, high, verdict):
    assert ratio(low, high).verdict(1.02) == verdict


@pytest.mark.parametrize("n", [6, 20, 41])
def test_interval_is_scipys_for_the_median(n, monkeypatch):
    generator = np.random.default_rng(0)
    seconds = generator.uniform(1, 2, size=2 * n)
    ticks = itertools.chain.from_iterable((0.0, s) for s in seconds)
    monkeypatch.setattr(pairs_module.time, "perf_counter", lambda: next(ticks))
    got = interleaved(lambda: None, lambda: None, n, warmup=0)
    # pairs run in alternating order: variant first, then baseline first, ...
    pairs = [(a, b) if i % 2 == 0 else (b, a) for i, (a, b) in enumerate(seconds.reshape(n, 2))]
    ratios = [a / b for a, b in pairs]
    assert got.median == pytest.approx(np.median(ratios))
    expected = quantile_test(ratios, p=0.5).confidence_interval(0.95)
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high))


def test_really_times():
    got = interleaved(lambda: time.sleep(0.004), lambda: time.sleep(0.001), 5)
    assert got.variant_s > got.baseline_s
    assert got.pairs == 5


def test_rounds():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    times = rounds(functions, 2, settle=["b"])
    assert calls == ["a", "b", "b", "b", "b", "a"]
    assert {name: len(taken) for name, taken in times.items()} == {"a": 2, "b": 2}


def test_verdict_at_least():
    assert [ratio(5.5, 7).verdict_at_least(bar) for bar in (5, 6, 8)] == ["met", "undecided", "missed"]
