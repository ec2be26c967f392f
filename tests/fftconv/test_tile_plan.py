"""Problems and plans: which taps touch, and that every product lands where it belongs."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conv_problems import IDS, PROBLEMS, axes
from windowconv.fftconv.problem import Axis, Problem
from windowconv.fftconv.tile_plan import AxisTilePlan, axis_plan, make_plan, training_cost


def meets(axis: Axis, tap: int) -> bool:
    """Whether a tap meets the input at some output."""
    return any(0 <= axis.stride * i + axis.dilation * tap - axis.before < axis.size for i in range(axis.outputs))


@given(axis=axes())
def test_touching_taps_are_those_that_meet_the_input(axis):
    used = [tap for tap in range(axis.taps) if meets(axis, tap)]
    assert list(axis.touching) == (list(range(used[0], used[-1] + 1)) if used else [])


def check_tile(plan: AxisTilePlan, tile: int) -> None:
    """Input place - kernel place = output place around the circle exactly where the convolution has a product."""
    axis, taps = plan.axis, plan.axis.touching or range(1)
    start = plan.input.first + tile * plan.input.advance
    places = plan.input.positions(), plan.kernel.positions(), plan.output.positions()
    for i, t in product(range(plan.outputs), range(len(taps))):
        output = tile * plan.outputs + i
        if output >= axis.outputs:
            continue
        sample = axis.stride * output + axis.dilation * (t + taps.start) - axis.before
        assert not 0 <= sample < axis.size or 0 <= sample - start < plan.input.length
        for j in range(plan.input.length):
            if 0 <= start + j < axis.size:
                around = places[0][j] - places[1][t] - places[2][i]
                assert (around % plan.period == 0) == (start + j == sample), (tile, i, t, j)


@given(axis=axes(), data=st.data())
def test_places_on_every_tile(axis, data):
    plan = axis_plan(axis, data.draw(st.integers(1, axis.outputs)))
    assert plan.tiles * plan.outputs >= axis.outputs > (plan.tiles - 1) * plan.outputs
    for tile in range(plan.tiles):
        check_tile(plan, tile)


@given(axis=axes())
def test_pairs_cover_the_tile(axis):
    plan = axis_plan(axis, 1)
    for side in (plan.input, plan.kernel, plan.output):
        assert {abs(place) for place in side.positions()} <= set(side.distances())


@pytest.mark.parametrize(
    ("size", "taps", "period"), [(16, 7, 19), (8, 7, 11), (7, 11, 12), (7, 7, 10), (16, 3, 17), (1, 7, 1)]
)
def test_period_of_one_tile_holds_half_the_kernel(size, taps, period):
    assert axis_plan(Axis(size, taps, before=taps // 2, after=taps // 2), 1).period == period


def test_frequencies_keep_as_many_numbers_as_samples():
    for height, width in product(range(1, 9), repeat=2):
        axis = Axis(height, 1), Axis(width, 1)
        plan = make_plan(Problem(1, 1, 1, 1, axis))
        real = sum(1 for f, g in product(range(height), range(width)) if (2 * f % height, 2 * g % width) == (0, 0))
        assert 2 * plan.frequencies - real == height * width


@pytest.mark.parametrize("name", IDS)
def test_the_plan_chosen_is_no_dearer_than_one_tile(name):
    problem = PROBLEMS[name]
    plan = make_plan(problem)
    height, width = (axis_plan(axis, 1) for axis in problem.axes)
    assert training_cost(plan) <= training_cost(type(plan)(problem, height, width))
    assert plan is make_plan(problem)
