"""Counted work: against brute force, and in the proportions that it must have."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from windowconv.fftconv.cost import (
    DIRECT,
    FAMILIES,
    FFT,
    FRESH_FROM,
    SHARES,
    direct_counts,
    family,
    fft_counts,
    taps_inside,
    total,
)
from windowconv.fftconv.problem import Axis, Problem

UNLIMITED = 1 << 62
small = st.integers(1, 9)


def square(pixels: int, taps: int, *, batch: int = 4, channels: int = 64, groups: int = 1, stride: int = 1) -> Problem:
    axis = Axis(pixels, taps, stride, before=taps // 2, after=taps // 2)
    return Problem(batch, channels, channels, groups, (axis, axis))


@given(
    axis=st.builds(
        Axis, small, small, st.integers(1, 3), st.integers(1, 3), before=st.integers(0, 7), after=st.integers(0, 7)
    )
)
def test_taps_inside(axis):
    assume(axis.outputs > 0)
    places = [i * axis.stride - axis.before + t * axis.dilation for i in range(axis.outputs) for t in range(axis.taps)]
    assert taps_inside(axis) == sum(0 <= place < axis.size for place in places)


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (square(14, 3), "dense"),
        (square(14, 3, stride=2), "strided"),
        (square(14, 3, groups=4), "grouped"),
        (square(14, 3, groups=4, stride=2), "grouped"),
        (square(14, 3, groups=64), "depthwise"),
        (square(14, 3, channels=1), "dense"),
    ],
)
def test_family(problem, expected):
    assert family(problem) == expected
    assert expected in FAMILIES


@pytest.mark.parametrize("training", [False, True])
def test_counts_are_of_the_kinds_that_have_rates(training):
    problem = square(14, 5)
    counts = fft_counts(problem, 4, training, 32, UNLIMITED)
    assert counts is not None
    assert set(counts) == set(FFT)
    assert set(direct_counts(problem, 4, training)) == set(DIRECT)
    assert sorted(kind for kinds in SHARES.values() for kind in kinds) == sorted({*FFT, *DIRECT})


def test_direct_counts_by_hand():
    axis = Axis(4, 3, before=1, after=1)
    counts = direct_counts(Problem(2, 3, 5, 1, (axis, axis)), 4, False)
    assert counts["sample"] == 2 * (3 + 5) * 16
    assert counts["weight"] == 5 * 3 * 9
    assert counts["tap"] == 2 * 5 * 16 * 9
    assert counts["product"] == counts["tap"] * 3
    assert counts["inside"] == 2 * 5 * 3 * 10 * 4 * 3
    assert counts["padded"] == 2 * 16 * 16 * 10 * 4 * 3
    assert counts["fresh"] == 0


def test_only_large_tensors_are_fresh():
    problem = square(32, 3, batch=FRESH_FROM // 4 // 1024 // 64)
    assert direct_counts(problem, 4, False)["fresh"] == FRESH_FROM
    assert direct_counts(problem, 4, True)["fresh"] == 2 * FRESH_FROM
    assert direct_counts(replace(problem, batch=problem.batch - 1), 4, True)["fresh"] == 0


def test_channels_are_counted_in_whole_blocks():
    few, many = (fft_counts(square(14, 5, channels=c), 4, True, 32, UNLIMITED) for c in (33, 64))
    assert few is not None
    assert many is not None
    assert few["spectrum"] == many["spectrum"]
    assert few["sample"] < many["sample"]
    assert few["product"] < many["product"]


def test_images_multiply_all_but_the_kernels():
    one, four = (fft_counts(square(14, 5, batch=n), 4, False, 32, UNLIMITED) for n in (1, 4))
    assert one is not None
    assert four is not None
    for kind in ("sample", "spectrum", "product"):
        assert four[kind] == 4 * one[kind]
    assert four["kernel"] == one["kernel"]


def test_a_training_step_is_more():
    for groups in (1, 4, 64):
        problem = square(14, 5, groups=groups)
        forward, step = (fft_counts(problem, 4, training, 32, UNLIMITED) for training in (False, True))
        assert forward is not None
        assert step is not None
        assert all(step[kind] >= forward[kind] for kind in FFT)
        assert (step["product"] == 0) == (groups == 64)


def test_phases_are_copied():
    counts = fft_counts(square(28, 7, batch=32, stride=2), 4, False, 32, UNLIMITED)
    assert counts is not None
    assert counts["copy"] >= 32 * 64 * 28 * 28


def test_little_work_space_means_more_work_and_then_none():
    problem = square(14, 5, batch=8)
    whole = fft_counts(problem, 4, True, 32, UNLIMITED)
    parts = fft_counts(problem, 4, True, 32, 1 << 21)
    assert whole is not None
    assert parts is not None
    assert parts["call"] > 1
    assert parts["kernel"] >= whole["kernel"]
    assert fft_counts(problem, 4, True, 32, 1000) is None


def test_total():
    assert total({"call": 2, "sample": 10, "copy": 3}, {"call": 1.0, "sample": 0.5}) == 7.0
