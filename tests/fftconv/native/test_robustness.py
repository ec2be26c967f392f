"""What must hold around the numbers: bad values stay where they are, threads and forks agree, nothing leaks."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from conv_problems import PROBLEMS, problem, tensors
from windowconv.fftconv import workspace
from windowconv.fftconv.native import convolution as native
from windowconv.fftconv.native import library as c
from windowconv.fftconv.tile_plan import TensorTiles, TilePlan, axis_plan, make_plan

NATIVE = native.forward, native.backward

pytestmark = pytest.mark.skipif(c.library() is None, reason=c.why_not())
each_set = pytest.mark.usefixtures("instructions")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts in /proc")

SAME = (2, 2, 2, 2)
WHOLE = {
    "plain": problem((9, 10), (5, 5), batch=3, channels=(5, 7), padding=SAME),
    "wide": problem((6, 5), (5, 5), batch=3, channels=(37, 35), padding=SAME),
    "groups": problem((9, 10), (5, 5), batch=3, channels=(6, 10), groups=2, padding=SAME),
    "depthwise": problem((9, 10), (5, 5), batch=3, channels=(19, 19), groups=19, padding=SAME),
}
PLANS = {name: make_plan(case) for name, case in WHOLE.items()}
for name, (down, across) in product(WHOLE, [(3, 2)]):
    height, width = WHOLE[name].axes
    PLANS[f"{name}-tiles"] = TilePlan(WHOLE[name], axis_plan(height, down), axis_plan(width, across))
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
BAD = {"nan": torch.nan, "inf": torch.inf, "-inf": -torch.inf}


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# --- numbers that are not finite --------------------------------------------------------------------------------------


def spread(plan: TilePlan, of: str, to: str, place: tuple[int, int]) -> tuple[slice, slice]:
    """The samples of `to` ("input" or "output") on the tiles that hold the sample of `of` at `place`."""
    found = []
    for axis, sample in zip((plan.height, plan.width), place, strict=True):
        source, target = getattr(axis, of), getattr(axis, to)
        tiles = [t for t in range(source.tiles) if sample in covered(source, t)]
        assert tiles
        found.append(slice(covered(target, tiles[0]).start, covered(target, tiles[-1]).stop))
    return found[0], found[1]


def covered(side: TensorTiles, tile: int) -> range:
    start = side.first + tile * side.advance
    return range(max(0, start), min(side.size, start + side.length))


def related(plan: TilePlan, channel: int, of: str, to: str) -> slice:
    """The channels of `to` in the group of a channel of `of`."""
    p = plan.problem
    each = {"input": p.in_channels // p.groups, "output": p.out_channels // p.groups}
    group = channel // each[of]
    return slice(group * each[to], (group + 1) * each[to])


def check_spoilt(clean: Tensor, got: Tensor, place: tuple[slice | int, ...], bad: float) -> None:
    """Where `place` is, nothing is finite (an infinity may leave numbers); elsewhere nothing changed."""
    spoilt = torch.zeros(clean.shape, dtype=torch.bool)
    spoilt[place] = True
    if bad != bad:
        assert got[spoilt].isnan().all()
    assert not got[spoilt].isfinite().all()
    assert torch.equal(got[~spoilt], clean[~spoilt])


@each_set
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PLANS)
def test_a_bad_sample_spoils_its_tiles_only(name, dtype, bad):
    """In its image: all samples of the tiles that hold it, in all channels that it is summed into. No other image."""
    plan, given = PLANS[name], tensors(WHOLE[name.removesuffix("-tiles")], DTYPES[dtype])
    output, for_input, for_weight = given.values(*NATIVE, plan)
    channel, place = plan.problem.in_channels - 2, (4, 3)
    given.input[1, channel, *place] = BAD[bad]
    spoilt_output, same, spoilt_weight = given.values(*NATIVE, plan)
    group = related(plan, channel, "input", "output")
    check_spoilt(output, spoilt_output, (1, group, *spread(plan, "input", "output", place)), BAD[bad])
    assert torch.equal(same, for_input)
    each = plan.problem.in_channels // plan.problem.groups
    check_spoilt(for_weight, spoilt_weight, (group, channel % each), BAD[bad])


@each_set
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PLANS)
def test_a_bad_gradient_spoils_its_tiles_only(name, dtype, bad):
    plan, given = PLANS[name], tensors(WHOLE[name.removesuffix("-tiles")], DTYPES[dtype])
    _, for_input, for_weight = given.values(*NATIVE, plan)
    channel, place = plan.problem.out_channels - 2, (4, 3)
    given.grad_output[1, channel, *place] = BAD[bad]
    _, spoilt_input, spoilt_weight = given.values(*NATIVE, plan)
    group = related(plan, channel, "output", "input")
    check_spoilt(for_input, spoilt_input, (1, group, *spread(plan, "output", "input", place)), BAD[bad])
    check_spoilt(for_weight, spoilt_weight, (channel,), BAD[bad])


@each_set
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", PLANS)
def test_a_bad_weight_spoils_its_channels_only(name, bad):
    plan, given = PLANS[name], tensors(WHOLE[name.removesuffix("-tiles")], torch.float32)
    output, for_input, for_weight = given.values(*NATIVE, plan)
    channel = plan.problem.out_channels - 2
    given.weight[channel, 0, 2, 3] = BAD[bad]
    spoilt_output, spoilt_input, same = given.values(*NATIVE, plan)
    check_spoilt(output, spoilt_output, (slice(None), channel), BAD[bad])
    first = related(plan, channel, "output", "input").start
    check_spoilt(for_input, spoilt_input, (slice(None), first), BAD[bad])
    assert torch.equal(same, for_weight)


# --- what results do not depend on ------------------------------------------------------------------------------------

SEVERAL = {
    **PLANS,
    **{name: make_plan(PROBLEMS[name]) for name in ("stride-2-3", "dilated", "groups-of-16", "kernel-above-image")},
    "19-images": make_plan(problem((8, 8), (7, 7), batch=19, channels=(9, 17), padding=(3, 3, 3, 3))),
    "many-images": make_plan(problem((3, 2), (3, 3), batch=230, channels=(3, 40), padding=(1, 1, 1, 1))),
}


def equal(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@each_set
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SEVERAL)
def test_the_number_of_threads_changes_nothing(name, dtype):
    plan = SEVERAL[name]
    given = tensors(plan.problem, DTYPES[dtype])
    alone = given.values(*NATIVE, plan)
    for count in (2, 3, 7):
        with threads(count):
            assert equal(given.values(*NATIVE, plan), alone), count


@each_set
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SEVERAL)
def test_what_memory_held_before_changes_nothing(name, dtype):
    """Work space and fresh tensors are full of NaN here."""
    plan = SEVERAL[name]
    given = tensors(plan.problem, DTYPES[dtype])
    before = given.values(*NATIVE, plan)
    with torch.inference_mode():  # where some of the work space may have been made
        for buffer in workspace._pool.idle:
            buffer.fill_(255)
    torch.use_deterministic_algorithms(True)  # which fills what `torch.empty` gives with NaN
    try:
        assert torch.empty(1).isnan()
        assert equal(given.values(*NATIVE, plan), before)
    finally:
        torch.use_deterministic_algorithms(False)


@each_set
@pytest.mark.parametrize("count", [1, 2])
def test_threads_convolve_different_problems_at_once(count):
    plans = list(SEVERAL.values())[-8:]
    given = [tensors(plan.problem, torch.float32) for plan in plans]
    alone = [one.values(*NATIVE, plan) for one, plan in zip(given, plans, strict=True)]
    wrong, start = [], threading.Barrier(len(plans))

    def work(index: int) -> None:
        with threads(count):
            start.wait(60)
            again = [given[index].values(*NATIVE, plans[index]) for _ in range(5)]
        wrong.extend(index for one in again if not equal(one, alone[index]))

    workers = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(len(plans))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert not any(worker.is_alive() for worker in workers)
    assert not wrong


# --- processes and resources ------------------------------------------------------------------------------------------


def in_child(work: Callable[[], bool]) -> None:
    """Assert something in a forked process, which must end. There torch's own operations hang on large tensors."""
    process = multiprocessing.get_context("fork").Process(target=lambda: sys.exit(0 if work() else 1))
    process.start()
    process.join(200)
    hangs = process.is_alive()
    if hangs:
        process.kill()
    assert not hangs
    assert process.exitcode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_parent_and_child_after_a_fork():
    plan = SEVERAL["19-images"]
    given = tensors(plan.problem, torch.float32)

    def same() -> bool:
        return equal(given.values(*NATIVE, plan), expected)

    def in_two_threads() -> bool:
        torch.set_num_threads(2)
        return same() and same()

    def in_a_grandchild() -> bool:
        in_child(in_two_threads)
        return in_two_threads()

    with threads(2):
        expected = given.values(*NATIVE, plan)
        in_child(in_two_threads)
        assert same()
        in_child(in_a_grandchild)
        assert same()


def in_new_process(code: str) -> str:
    """What a program prints that has these names already."""
    head = """
        import os, sys, torch
        from conv_problems import problem, tensors
        from windowconv.fftconv.native import convolution as native
        from windowconv.fftconv.tile_plan import make_plan
        NATIVE = native.forward, native.backward
        plan = make_plan(problem((8, 8), (7, 7), batch=19, channels=(9, 17), padding=(3, 3, 3, 3)))
        given = tensors(plan.problem, torch.float32)
    """
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(head) + textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": f"{root / 'tests'}{os.pathsep}{root / 'src'}"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_of_a_parent_that_used_torchs_threads_only():
    said = in_new_process("""
        native.supports(torch.device("cpu"), torch.float32)  # opens the library
        torch.set_num_threads(2)
        torch.ones(1 << 20).sum()
        child = os.fork()
        if not child:
            given.values(*NATIVE, plan)
            os._exit(0)
        print(os.waitpid(child, 0)[1])
    """)
    assert said == "0"


@linux
def test_as_many_threads_as_torch_is_told():
    said = in_new_process("""
        def threads():
            return len(os.listdir("/proc/self/task"))
        torch.set_num_threads(1)
        before = threads()
        given.values(*NATIVE, plan)
        print(threads() - before)
        torch.set_num_threads(3)
        given.values(*NATIVE, plan)
        print(threads() - before)
    """)
    assert said.split() == ["0", "2"]


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@linux
def test_ten_thousand_calls_leak_nothing():
    given = tensors(PROBLEMS["same-7x7"], torch.float32)
    plan = make_plan(PROBLEMS["same-7x7"])

    def call(count: int) -> None:
        for _ in range(count // 2):
            given.values(*NATIVE, plan)  # two calls: the output, and the gradients

    call(1000)
    before = resident()
    call(10_000)
    assert resident() - before < 1 << 20
