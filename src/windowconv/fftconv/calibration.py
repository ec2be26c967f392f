"""This machine's rates: measured once, in a second or two, and kept in a file in the user's cache folder.

Measured is what a machine does faster or slower than the one whose rates are built in (`rates`). `CALIBRATION=0`
in the environment (below) turns measuring off: the built-in rates alone then decide, the same in every run.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack
from torch.utils.data import get_worker_info

from windowconv.errors import InputError
from windowconv.fftconv import probes
from windowconv.fftconv.builtin_rates import ROWS
from windowconv.fftconv.cost import SHARES
from windowconv.fftconv.native import library
from windowconv.fftconv.rates import Factors, Rates
from windowconv.files import cache_folder, replace_file
from windowconv.machine import processor_name

OFF = "WINDOWCONV_CALIBRATION"  # "0" turns measuring off

Key = Mapping[str, str | int]
BUILT_IN = Rates()

_lock = threading.Lock()
_found: dict[str, Rates] = {}  # by `_identity`
_forked = False


def _after_fork() -> None:
    # a forked child cannot run threads of OpenMP, and another thread may have held the lock
    global _lock, _forked
    _lock, _forked = threading.Lock(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def rates() -> Rates:
    """The rates to decide by: of this machine and number of threads, or the built-in ones where it cannot be measured.

    Nothing is measured where that would disturb or could not work: while compiling, with fake tensors, in a worker of
    a `DataLoader` or another forked process. A file from before is read there too.
    """
    if not enabled():
        return BUILT_IN
    identity = _identity(torch.get_num_threads())
    found = _found.get(identity)
    if found is not None:
        return found
    with _lock:
        if identity in _found:
            return _found[identity]
        factors = read(cache_file())
        if factors is None and not _may_measure():
            return BUILT_IN
        return _found.setdefault(identity, Rates(factors) if factors is not None else _measure_and_keep())


def calibrate() -> Rates:
    """Measure anew, whatever was kept; the result is kept and used from now on, even where measuring is turned off."""
    with _lock:
        fresh = _found[_identity(torch.get_num_threads())] = _measure_and_keep()
    return fresh


def kept() -> Rates | None:
    """What was measured before, in this process or by its file; None if nothing was. Nothing is measured."""
    found = _found.get(_identity(torch.get_num_threads()))
    if found is None and (factors := read(cache_file())) is not None:
        found = Rates(factors)
    return found


def enabled() -> bool:
    """Whether the machine is measured."""
    return os.environ.get(OFF) != "0"


def key() -> Key:
    """What the rates depend on; a file for another key is not used."""
    return {
        "processor": f"{processor_name()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "windowconv": version("windowconv"),
        "implementation": library.instructions() or "reference",
        "built_in": hashlib.sha256(repr(ROWS).encode()).hexdigest()[:16],  # what the factors multiply
    }


def cache_file() -> Path | None:
    """Where the rates for `key()` are kept; None for a user who has no home."""
    folder = cache_folder()
    return None if folder is None else folder / f"rates-{_identity(torch.get_num_threads())}.json"


def read(path: Path | None) -> Mapping[str, Factors] | None:
    """The factors in a file; None if there is none that can be read and is for `key()`."""
    if path is None:
        return None
    try:
        content = json.loads(path.read_text())
        groups = content["factors"]
        well = content["key"] == key() and all(_is_positive(f[share]) for f in groups.values() for share in SHARES)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return groups if well and groups else None


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


@lru_cache(maxsize=64)
def _identity(threads: int) -> str:
    """A short name for `key()`, of which only the threads can change."""
    return hashlib.sha256(json.dumps(dict(key(), threads=threads), sort_keys=True).encode()).hexdigest()[:16]


def _may_measure() -> bool:
    if _forked or get_worker_info() is not None or torch.compiler.is_compiling():
        return False
    return not _get_current_dispatch_mode_stack()  # fake tensors are one of those modes


def _measure_and_keep() -> Rates:
    """Measure in a thread of its own, where no mode, autocast or gradient setting of the caller's holds."""
    threads = torch.get_num_threads()

    def measure() -> Mapping[str, Factors] | None:
        torch.set_num_threads(threads)  # torch asks for this in each thread
        return probes.measure()

    with ThreadPoolExecutor(1, "windowconv-calibration") as pool:
        factors = pool.submit(measure).result()
    if factors is None:  # the next process may find the machine less busy
        return BUILT_IN
    path = cache_file()
    if path is not None:
        content = {"key": key(), "measured": time.strftime("%Y-%m-%d %H:%M:%S"), "factors": factors}
        with suppress(InputError):  # where nothing can be written every process measures
            replace_file(path, (json.dumps(content, indent=1) + "\n").encode())
    return Rates(factors)
