"""Memory of one step kept for the next: fresh memory costs a page fault for every 4 KiB."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_LARGEST = 2**31 - 1
_GROWTH = 64 << 20  # bytes by which the heap grows at least


def keep_freed_memory() -> None:
    """Let this process keep what it frees, instead of giving large blocks back to the system and asking again.

    A training step on a CPU frees and needs the same large tensors each time: with glibc's defaults, mapping them anew
    takes an eighth of the step. For the whole process, and for good. On other C libraries nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # such as musl
        return
    for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _LARGEST), (_M_TOP_PAD, _GROWTH)):
        mallopt(option, value)
