"""Fresh memory, made ready to be written: large tensors otherwise pay a page fault for every 4 KiB they touch.

Where large outputs are written by several threads, those faults can take longer than the computation; asking for huge
pages and having them filled in by one call first takes a fraction of that. Linux only; elsewhere nothing happens.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Any

from torch import Tensor

READY_FROM = 8 << 20  # bytes; what is smaller mostly comes from memory that was used before
PAGE = 4096
HUGE_PAGE = 2 << 20
_MADV_HUGEPAGE, _MADV_POPULATE_WRITE = 14, 23


def ready(tensor: Tensor) -> Tensor:
    """Have a CPU tensor's memory mapped by now, in huge pages if the system has them; returns the tensor."""
    storage = tensor.untyped_storage()
    if tensor.device.type == "cpu" and storage.nbytes() >= READY_FROM and (libc := _libc()) is not None:
        start, size = storage.data_ptr(), storage.nbytes()
        if not all(_is_mapped(libc, start + size * i // 4) for i in (1, 2, 3)):
            # both are advice: where the system knows neither, writing maps the pages as ever
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
