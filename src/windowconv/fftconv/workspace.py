"""Work space that is kept and reused: fresh memory costs a page fault for every 4 KiB.

Each process has one pool, shared by all threads and layers; `set_workspace_limit` bounds its idle memory. Only CPU
memory is pooled: for other devices torch has caches of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from math import prod
from types import TracebackType

import torch
from torch import Tensor

from windowconv.fftconv.pages import ready
from windowconv.integers import check_int

SPARE = 4  # the largest ratio of a buffer to a request, so that small requests do not hold large buffers


class _Pool:
    """Idle buffers, the least recently used first; the lock guards the fields."""

    def __init__(self, limit: int) -> None:
        self.lock = threading.Lock()
        self.limit = limit
        self.idle: list[Tensor] = []

    def take(self, size: int) -> Tensor:
        """The smallest idle buffer that fits `size` bytes (at most SPARE times as large), or a fresh one."""
        with self.lock:
            fitting = [i for i, b in enumerate(self.idle) if size <= b.numel() <= SPARE * size]
            if fitting:
                return self.idle.pop(min(fitting, key=lambda i: self.idle[i].numel()))
        return ready(torch.empty(size, dtype=torch.uint8, device="cpu"))

    def give_back(self, buffers: list[Tensor]) -> None:
        with self.lock:
            self.idle += buffers
            dropped = self._trim()
        del dropped  # freed outside the lock

    def change_limit(self, limit: int) -> None:
        with self.lock:
            self.limit = limit
            dropped = self._trim()
        del dropped

    def release(self) -> None:
        with self.lock:
            dropped, self.idle = self.idle, []
        del dropped

    def bytes(self) -> int:
        with self.lock:
            return sum(b.numel() for b in self.idle)

    def _trim(self) -> list[Tensor]:
        held = sum(b.numel() for b in self.idle)
        drop = 0
        while held > self.limit:
            held -= self.idle[drop].numel()
            drop += 1
        dropped, self.idle = self.idle[:drop], self.idle[drop:]
        return dropped


_pool = _Pool(1 << 30)


def _after_fork() -> None:
    # another thread may have held the lock or been changing the list
    global _pool
    _pool = _Pool(_pool.limit)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class workspace:
    """Lends uninitialised tensors, which it takes back at exit:

    >>> with workspace() as take:
    ...     x = take((2, 3), torch.float32, torch.device("cpu"))
    >>> x.shape
    torch.Size([2, 3])
    """

    def __init__(self) -> None:
        self._taken: list[Tensor] = []

    def __enter__(self) -> workspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        taken, self._taken = self._taken, []
        _pool.give_back(taken)

    def address(self, size: int) -> int:
        """The address of `size` bytes of CPU memory, aligned as torch's, for callers that need no tensor."""
        buffer = _pool.take(size)
        self._taken.append(buffer)
        return buffer.data_ptr()

    def __call__(self, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
        count = prod(shape)
        if device.type != "cpu" or count == 0:
            return torch.empty(tuple(shape), dtype=dtype, device=device)
        size = count * dtype.itemsize
        buffer = _pool.take(size)
        self._taken.append(buffer)
        return buffer[:size].view(dtype).view(tuple(shape))


def set_workspace_limit(size: int) -> None:
    """Set the most bytes of work space that are kept, and that one convolution may use; at first 1 GiB.

    A convolution that needs more is computed in blocks, or directly if even the smallest block needs more.

    Raises:
        InputError: `size` is not an int of 0 or more.
    """
    _pool.change_limit(check_int("size", size, 0, "bytes"))


def workspace_limit() -> int:
    """The bytes set by `set_workspace_limit`."""
    return _pool.limit


def workspace_bytes() -> int:
    """The bytes of idle work space held now."""
    return _pool.bytes()


def release_workspace() -> None:
    """Free all idle work space."""
    _pool.release()
