"""Fresh memory mapped before it is written: a large tensor otherwise costs a page fault for every 4 KiB.

If several threads write a large output, those faults can take longer than the computation; one call that asks for huge
pages and maps them all takes a fraction of that time. Linux only; on other systems nothing happens.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Any

from torch import Tensor

READY_FROM = 8 << 20  # bytes; smaller tensors mostly reuse mapped memory
PAGE = 4096
HUGE_PAGE = 2 << 20
_MADV_HUGEPAGE, _MADV_POPULATE_WRITE = 14, 23


def ready(tensor: Tensor) -> Tensor:
    """Map a CPU tensor's memory now, in huge pages if the system has them; returns the tensor."""
    storage = tensor.untyped_storage()
    if tensor.device.type == "cpu" and storage.nbytes() >= READY_FROM and (libc := _libc()) is not None:
        start, size = storage.data_ptr(), storage.nbytes()
        if not all(_is_mapped(libc, start + size * i // 4) for i in (1, 2, 3)):
            # both are advice: a system that knows neither maps the pages when they are written
            _advise(libc, start, size, HUGE_PAGE, _MADV_HUGEPAGE)
            _advise(libc, start, size, PAGE, _MADV_POPULATE_WRITE)
    return tensor


def _advise(libc: Any, start: int, size: int, page: int, advice: int) -> None:
    first, last = -(-start // page) * page, (start + size) // page * page
    if last > first:
        libc.madvise(first, last - first, advice)


def _is_mapped(libc: Any, address: int) -> bool:
    found = ctypes.c_ubyte(1)
    libc.mincore(address // PAGE * PAGE, PAGE, ctypes.byref(found))
    return bool(found.value & 1)


@lru_cache(maxsize=1)
def _libc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        libc = ctypes.CDLL(None)
        libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    except (OSError, AttributeError):
        return None
    return libc
