"""Work space: lent once at a time, used again, bounded, safe in threads and after a fork."""

import multiprocessing
import os
import threading
from collections.abc import Iterator

import pytest
import torch

from windowconv import fftconv
from windowconv.errors import InputError
from windowconv.fftconv import workspace as module
from windowconv.fftconv.workspace import (
    release_workspace,
    set_workspace_limit,
    workspace,
    workspace_bytes,
    workspace_limit,
)

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    release_workspace()
    limit = workspace_limit()
    yield
    set_workspace_limit(limit)
    release_workspace()


def test_shape_and_dtype():
    with workspace() as take:
        x, y = take((2, 3), torch.float64, CPU), take((5,), torch.bfloat16, CPU)
        assert (x.shape, x.dtype, x.is_contiguous()) == ((2, 3), torch.float64, True)
        assert (y.shape, y.dtype) == ((5,), torch.bfloat16)
        assert x.data_ptr() % 64 == y.data_ptr() % 64 == 0


def test_memory_is_used_again_by_other_shapes_and_dtypes():
    with workspace() as take:
        first = take((100, 100), torch.float64, CPU).data_ptr()
    with workspace() as take:
        assert take((150, 100), torch.float32, CPU).data_ptr() == first
        assert take((150, 100), torch.float32, CPU).data_ptr() != first


def test_the_smallest_that_fits_is_used():
    with workspace() as take:
        small, large = (take((n,), torch.uint8, CPU).data_ptr() for n in (1000, 3000))
    with workspace() as take:
        assert take((900,), torch.uint8, CPU).data_ptr() == small
        assert take((900,), torch.uint8, CPU).data_ptr() == large
        assert workspace_bytes() == 0


def test_a_small_request_does_not_hold_a_large_buffer():
    with workspace() as take:
        large = take((100_000,), torch.uint8, CPU).data_ptr()
    with workspace() as take:
        assert take((10,), torch.uint8, CPU).data_ptr() != large
        assert workspace_bytes() == 100_000


def test_all_is_back_after_an_error():
    with pytest.raises(RuntimeError, match="shape"), workspace() as take:
        take((1000,), torch.uint8, CPU).view(7)
    assert workspace_bytes() == 1000


def test_the_limit_drops_what_was_longest_unused():
    set_workspace_limit(2500)
    for size in (1000, 10_000, 1200):  # the second is above the limit
        with workspace() as take:
            take((size,), torch.uint8, CPU)
    assert workspace_bytes() == 1200
    set_workspace_limit(1000)
    assert workspace_bytes() == 0
    assert workspace_limit() == 1000


def test_release():
    with workspace() as take:
        take((1000,), torch.uint8, CPU)
    assert workspace_bytes() == 1000
    release_workspace()
    assert workspace_bytes() == 0


@pytest.mark.parametrize("size", [-1, 1.5, "1", None], ids=repr)
def test_a_wrong_limit(size):
    with pytest.raises(InputError, match="size="):
        set_workspace_limit(size)


def test_nothing_and_other_devices_are_not_pooled():
    with workspace() as take:
        assert take((0, 3), torch.float32, CPU).shape == (0, 3)
        assert take((4, 3), torch.float32, torch.device("meta")).device.type == "meta"
    assert workspace_bytes() == 0


def test_memory_first_used_in_inference_mode_can_be_written_to_later():
    with torch.inference_mode(), workspace() as take:
        first = take((10,), torch.uint8, CPU).data_ptr()
    with workspace() as take:
        assert take((10,), torch.uint8, CPU).zero_().data_ptr() == first


def test_threads_never_share_a_buffer():
    failures = []

    def work(mark: int) -> None:
        for _ in range(300):
            with workspace() as take:
                mine = take((64,), torch.int64, CPU).fill_(mark)
                if not bool((mine == mark).all()):
                    failures.append(mark)

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert workspace_bytes() <= 8 * 64 * 8


def _borrow() -> None:
    with workspace() as take:
        take((1000,), torch.uint8, CPU).zero_()
    raise SystemExit(0 if workspace_limit() == 5000 else 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_while_the_lock_is_held():
    set_workspace_limit(5000)
    with module._pool.lock:
        child = multiprocessing.get_context("fork").Process(target=_borrow)
        child.start()
        child.join(30)
    alive = child.is_alive()
    if alive:
        child.kill()
    assert not alive
    assert child.exitcode == 0


def test_the_limit_is_public():
    assert fftconv.set_workspace_limit is set_workspace_limit
    assert fftconv.release_workspace is release_workspace
    assert set(fftconv.__all__) <= set(dir(fftconv))
