"""Loops in turn, the clock, and what is said of their times."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from benchmarks.training.loops import Clock
from benchmarks.training.timing import Effort, a_second, ceiling, in_turn, measure, own, theirs, times_faster, unsteady
from benchmarks.training.torchvision_loading import AHEAD

from benchmarks.training import loops, timing

CPU = torch.device("cpu")


def test_in_turn():
    calls = []
    runners = {name: lambda name=name: calls.append(name) or 1.0 for name in "ab"}
    assert in_turn(runners, 3) == {"a": [1.0] * 3, "b": [1.0] * 3}
    assert "".join(calls) == "abbaab"


@pytest.mark.parametrize(
    ("two", "kept"), [(1.05, {"0", "2"}), (1.2, {"0"}), (0.5, {"2"})], ids=["alike", "slower", "faster"]
)
def test_the_slower_number_of_workers_is_left_out(two, kept):
    spent = {"ours": 1.0, "torchvision 0": 1.0, "loader 0": 0.3, "torchvision 2": two, "loader 2": 0.9}
    row = measure({name: lambda seconds=seconds: seconds for name, seconds in spent.items()}, 2)
    left = {name.split()[1] for name in row["samples"] if " " in name}
    assert left == kept
    assert set(row["samples"]) | set(row["dropped"]) == set(spent)
    assert row["samples"]["ours"] == [1.0, 1.0]


@pytest.mark.parametrize(("took", "kept"), [(0.1, {"0", "2"}), (5.0, {"0"})])
def test_of_slow_loops_one_number_of_workers_is_timed(took, kept, monkeypatch):
    now = itertools.count(step=took)
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    row = measure({"ours": lambda: 0.5, "torchvision 0": lambda: 1.0, "torchvision 2": lambda: 1.05}, 1)
    assert {name.split()[1] for name in row["samples"] if " " in name} == kept


def test_one_disturbed_call_drops_nothing():
    calls = itertools.chain([9.0], itertools.repeat(1.0))
    row = measure({"torchvision 0": lambda: 1.0, "torchvision 2": lambda: next(calls)}, 1)
    assert not row["dropped"]


@pytest.mark.parametrize(
    ("step", "batch", "steps"), [(5.0, 64, 1), (0.1, 64, 10), (0.03, 64, 20), (0.0012, 64, 140), (0.0012, 32, 300)]
)
def test_steps(step, batch, steps):
    assert Effort(9, 1.0).steps(step, batch, most=10_000, multiple=20) == steps


def test_clock(monkeypatch):
    times = itertools.count()
    monkeypatch.setattr(loops, "time", SimpleNamespace(perf_counter=lambda: float(next(times))))
    clock = Clock(10, 2, CPU)
    taken: list[Any] = []

    def loader():
        for i in range(clock.length // 2):
            next(times)
            taken.append(i)
            yield i

    trained = list(clock.over(loader()))
    assert trained == list(range(12))  # the first fifth is not timed
    assert taken == list(range(12 + 1 + AHEAD))  # what workers have prepared is taken from them
    assert clock.seconds == pytest.approx(11 / 20)  # ten batches and the look at the clock itself, an image


def row(**samples):
    return {"samples": {name.replace("_", " "): list(times) for name, times in samples.items()}}


def test_ratios():
    made = row(
        ours=[1.0, 1.0, 1.0],
        bare=[1.0, 0.9, 1.1],
        torchvision_0=[2.0, 2.0, 2.0],
        loader_0=[0.9, 0.9, 0.9],
        torchvision_2=[1.5, 1.4, 1.6],
        loader_2=[0.5, 0.45, 0.55],
    )
    assert theirs(made) == "torchvision 2"
    assert own(made) == "ours"
    assert own(row(ours=[1.0], streamed=[1.0])) == "streamed"
    assert a_second(made, "torchvision 2") == pytest.approx(1 / 1.5)
    share = times_faster(made, "ours", "bare")
    assert (share.low, share.median, share.high) == (0.9, 1.0, 1.1)
    assert ceiling(made).median == pytest.approx(1.5)
    assert unsteady(made) == pytest.approx(1.1 / 0.9)
    assert unsteady({"images": [1, 2]}) == 1
