"""Problems rewritten into cheaper ones: the same values, gradients and memory formats."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given

from conv_problems import IDS, LAST, PROBLEMS, problem, problems, tensors, truth
from tolerances import assert_close
from windowconv.fftconv import grouping, polyphase, rewriting
from windowconv.fftconv.problem import Problem

REWRITTEN = rewriting.forward_rewritten, rewriting.backward_rewritten


def steps(case: Problem) -> list[Problem]:
    return [step.after for step in rewriting.rewrite(case)]


@pytest.fixture
def _phases(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Phases wherever they are possible."""
    monkeypatch.setattr(polyphase, "cheaper_phased", polyphase.can_phase)
    rewriting.rewrite.cache_clear()
    yield
    rewriting.rewrite.cache_clear()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", IDS)
def test_values(name, dtype):
    given = tensors(PROBLEMS[name], dtype)
    got = given.values(*REWRITTEN, PROBLEMS[name])
    assert {t.dtype for t in got} == {dtype}
    assert_close(got, truth(PROBLEMS[name], given), scale=2)


@given(case=problems())
def test_any_problem(case):
    given = tensors(case)
    assert_close(given.values(*REWRITTEN, case), truth(case, given), scale=3)


@pytest.mark.usefixtures("_phases")
@pytest.mark.parametrize("name", [name for name in IDS if polyphase.can_phase(PROBLEMS[name])])
def test_phases(name):
    given = tensors(PROBLEMS[name])
    assert steps(PROBLEMS[name])
    assert_close(
        given.values(*REWRITTEN, PROBLEMS[name]),
        truth(PROBLEMS[name], given),
        scale=2,
    )


@pytest.mark.usefixtures("_phases")
def test_phases_then_merged_groups():
    case = problem((9, 8), (5, 5), channels=(6, 9), groups=3, stride=(2, 2), padding=(2, 2, 2, 2))
    assert [(after.in_channels, after.groups) for after in steps(case)] == [(24, 3), (24, 1)]
    given = tensors(case)
    assert_close(given.values(*REWRITTEN, case), truth(case, given), scale=2)


@pytest.mark.parametrize(
    ("channels", "groups", "expected"),
    [((32, 32), 32, 1), ((64, 64), 16, 8), ((64, 64), 8, 4), ((64, 32), 4, 1), ((9, 6), 3, 3), ((42, 42), 14, 7)],
    ids=str,
)
def test_groups_merged_into_one(channels, groups, expected):
    case = problem((6, 6), (3, 3), channels=channels, groups=groups)
    assert grouping.merged_groups(case) == expected
    assert grouping.merged(case).groups == groups // expected
    weight = tensors(case).weight
    assert torch.equal(grouping.pick_weight(grouping.merge_weight(weight, case), case), weight)


def test_a_multiplier_becomes_depthwise():
    [after] = steps(PROBLEMS["depthwise-double"])
    assert after.depthwise
    assert after.in_channels == 6


@pytest.mark.parametrize("shape", [(5, 5), (6, 1, 5, 5), (1,)], ids=str)
def test_windows_of_any_shape_through_a_rewriting(shape):
    for name in ("groups-stride", "depthwise-double"):
        case = PROBLEMS[name]
        if len(shape) == 4:
            shape = (case.out_channels, *shape[1:])
        given = replace(tensors(case), window=torch.rand(shape, dtype=torch.float64))
        assert steps(case)
        assert_close(given.values(*REWRITTEN, case), truth(case, given), scale=2)


@pytest.mark.parametrize("dtypes", [(torch.float64, torch.float64), (torch.float32, torch.float64)], ids=str)
@pytest.mark.parametrize("shape", [(7, 7), (4, 3, 7, 7), (4, 1, 7, 7), (3, 1, 7), (1,)], ids=str)
def test_windows_of_any_shape_without_a_rewriting(shape, dtypes):
    case = PROBLEMS["same-7x7"]
    given = replace(tensors(case, dtypes[0]), window=torch.rand(shape, dtype=dtypes[1]))
    assert not steps(case)
    assert_close(given.values(*REWRITTEN, case), truth(case, given), dtypes[0], scale=2)


@pytest.mark.parametrize("needs", [(True, False), (False, True)], ids=str)
@pytest.mark.parametrize("name", ["groups-stride", "depthwise-double", "same-7x7"])
def test_only_gradients_that_are_needed(name, needs):
    given = tensors(PROBLEMS[name])
    operands = given.grad_output, given.input, given.weight, given.window, torch.empty(0)
    both = rewriting.backward_rewritten(PROBLEMS[name], *operands, (True, True))
    some = rewriting.backward_rewritten(PROBLEMS[name], *operands, needs)
    for one, all_, needed in zip(some, both, needs, strict=True):
        assert torch.equal(one, all_) if needed else one is None


@pytest.mark.parametrize("name", ["same-7x7", "groups-stride", "stride-2"])
def test_channels_last(name):
    given = tensors(PROBLEMS[name], formats=(LAST, LAST))
    got = given.values(*REWRITTEN, PROBLEMS[name])
    assert_close(got, truth(PROBLEMS[name], given), scale=2)
    assert got[0].is_contiguous(memory_format=LAST)
