"""Large convolutions in blocks: the same results, within the work space, or directly."""

import pytest
import torch

from tolerances import assert_close
from windowconv.errors import WindowWarning
from windowconv.fftconv import blocks, rewriting
from windowconv.fftconv.blocks import divide, work_bytes
from windowconv.fftconv.problem import Axis, Problem
from windowconv.fftconv.tile_plan import make_plan
from windowconv.fftconv.workspace import set_workspace_limit, workspace_limit

AXIS = Axis(9, 5, before=2, after=2)
PROBLEMS = {
    "dense": Problem(6, 40, 128, 1, (AXIS, AXIS)),
    "grouped": Problem(6, 64, 96, 2, (AXIS, AXIS)),
    "depthwise": Problem(6, 64, 64, 64, (AXIS, AXIS)),
    "strided": Problem(5, 32, 64, 1, (Axis(11, 5, 2, 1, 2, 2), Axis(9, 3, 1, 2, 1, 4))),
}


@pytest.fixture(autouse=True)
def _same_limit_afterwards():
    limit = workspace_limit()
    yield
    set_workspace_limit(limit)


def _tensors(problem, dtype):
    generator = torch.Generator().manual_seed(0)
    height, width = problem.axes

    def random(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    return (
        random(problem.batch, problem.in_channels, height.size, width.size),
        random(problem.out_channels, problem.in_channels // problem.groups, height.taps, width.taps),
        random(problem.out_channels),
        random(problem.batch, problem.out_channels, height.outputs, width.outputs),
    )


def _smallest_limit(plan, itemsize):
    """A limit that is only just enough, to a twentieth of the whole."""
    whole = work_bytes(plan, itemsize)
    return next(limit for i in range(1, 20) if divide(plan, limit := whole * i // 20, itemsize) is not None)


def _all(problem, tensors, window):
    x, w, b, g = tensors
    y, spectrum = rewriting.forward_rewritten(problem, x, w, b, window)
    for_input, for_weight = rewriting.backward_rewritten(problem, g, x, w, window, spectrum, (True, True))
    assert for_input is not None
    assert for_weight is not None
    return y, for_input, for_weight


@pytest.mark.parametrize("window", ["none", "shared", "by-channel"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=["fp32", "fp64", "bf16"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_blocks_give_the_same_results(name, dtype, window):
    problem = PROBLEMS[name]
    taps = tuple(axis.taps for axis in problem.axes)
    shape = {"none": None, "shared": taps, "by-channel": (problem.out_channels, 1, *taps)}[window]
    values = None if shape is None else torch.linspace(0.5, 1.5, torch.Size(shape).numel()).view(shape)
    tensors = _tensors(problem, dtype)
    whole = _all(problem, tensors, values)
    plan = make_plan(problem)
    set_workspace_limit(_smallest_limit(plan, max(4, dtype.itemsize)))
    division = divide(plan, workspace_limit(), max(4, dtype.itemsize))
    assert division is not None
    assert len(list(division.blocks(problem))) > 1
    for part, other in zip(_all(problem, tensors, values), whole, strict=True):
        assert part.dtype == dtype
        assert part.stride() == other.stride()
        assert_close(part, other)


def test_blocks_cover_everything_once_and_fit():
    for problem in PROBLEMS.values():
        plan = make_plan(problem)
        for share in (1, 2, 3, 5):
            division = divide(plan, work_bytes(plan) // share)
            if division is None:
                continue
            seen = torch.zeros(problem.batch, problem.out_channels)
            for block in division.blocks(problem):
                seen[block.images, block.outputs] += 1
                inside = type(plan)(block.problem, plan.height, plan.width)
                assert work_bytes(inside) <= work_bytes(plan) // share
            assert bool((seen == 1).all())


def test_what_does_not_fit_goes_directly_and_says_so_once(monkeypatch):
    monkeypatch.setattr(blocks, "_warned", False)
    problem = PROBLEMS["dense"]
    tensors = _tensors(problem, torch.float32)
    whole = _all(problem, tensors, None)
    set_workspace_limit(1000)
    with pytest.warns(WindowWarning, match="needs more work space than the 0 MiB allowed") as caught:
        direct = _all(problem, tensors, None)
    assert len(caught) == 1
    for one, other in zip(direct, whole, strict=True):
        assert_close(one, other)
