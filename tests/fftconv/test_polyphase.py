"""Strides as phases: exact, transposes of one another, and taken where they are cheaper."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given

from conv_problems import IDS, LAST, PROBLEMS, problem, problems, tensors, truth
from tolerances import assert_close
from windowconv.fftconv import polyphase
from windowconv.fftconv.problem import Problem
from windowconv.fftconv.tiling import is_channels_last

PHASED = [name for name in IDS if polyphase.can_phase(PROBLEMS[name])]


def check(case: Problem) -> None:
    """The phases' convolution is the strided one."""
    given, after = tensors(case), polyphase.phased(case)
    assert [axis.outputs for axis in after.axes] == [axis.outputs for axis in case.axes]
    assert all(axis.stride == 1 for axis in after.axes)
    x, w = polyphase.split_input(given.input, case), polyphase.split_weight(given.weight, case)
    phases = replace(given, input=x, weight=w, window=None)
    assert x.shape[1:] == (after.in_channels, *(axis.size for axis in after.axes))
    assert w.shape == (case.out_channels, after.in_channels // case.groups, *(axis.taps for axis in after.axes))
    output, for_input, for_weight = truth(after, phases)
    joined = polyphase.join_input(for_input, case), polyphase.join_weight(for_weight, case)
    assert_close((output, *joined), truth(case, replace(given, window=None)), scale=3)


@pytest.mark.parametrize("name", PHASED)
def test_phases(name):
    check(PROBLEMS[name])


@given(case=problems(dilations=1).filter(polyphase.can_phase))
def test_phases_of_any_problem(case):
    check(case)


@given(case=problems(dilations=1).filter(polyphase.can_phase))
def test_joins_undo_splits(case):
    given = tensors(case)
    assert torch.equal(polyphase.join_input(polyphase.split_input(given.input, case), case), given.input)
    assert torch.equal(polyphase.join_weight(polyphase.split_weight(given.weight, case), case), given.weight)


def test_channels_last_stays():
    case = PROBLEMS["stride-2"]
    given = tensors(case, formats=(LAST, LAST))
    x, w = polyphase.split_input(given.input, case), polyphase.split_weight(given.weight, case)
    for tensor in (x, w, polyphase.join_input(x, case)):
        assert is_channels_last(tensor)


@pytest.mark.parametrize("name", ["same-7x7", "dilated-stride"])
def test_nothing_to_phase(name):
    assert not polyphase.can_phase(PROBLEMS[name])
    assert not polyphase.cheaper_phased(PROBLEMS[name])


def test_phases_are_cheaper_where_channels_are_many_and_kernels_large():
    wide = problem((56, 56), (7, 7), 32, (64, 64), stride=(2, 2), padding=(3, 3, 3, 3))
    assert polyphase.cheaper_phased(wide)
    assert not polyphase.cheaper_phased(replace(wide, groups=64))
    assert not polyphase.cheaper_phased(problem((16, 16), (7, 7), 32, (512, 512), stride=(2, 2), padding=(3,) * 4))
