"""This machine's rates: measured once, in a second or two, and kept in a file in the user's cache folder.

What is measured is how much faster or slower this machine does each kind of work than the one whose rates are built in
(`rates`). `WINDOWCONV_CALIBRATION=0` in the environment turns that off: every run then uses the built-in rates alone.
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
from windowconv.fftconv.probes import Convolution
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
    # a forked child cannot run OpenMP's threads, and another thread may have held the lock
    global _lock, _forked
    _lock, _forked = threading.Lock(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def rates(convolution: Convolution | None) -> Rates:
    """The rates of this machine and number of threads, measured if need be; the built-in ones if that is impossible.

    Nothing is measured while compiling, with fake tensors, or in a forked process such as a worker of a `DataLoader`.
    A file of earlier measurements is read there too.

    Args:
        convolution: as in `probes.measure`; None measures nothing.
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
        if factors is not None:
            return _found.setdefault(identity, Rates(factors))
        if convolution is None or not _may_measure():
            return BUILT_IN
        return _found.setdefault(identity, _measure_and_keep(convolution))


def calibrate(convolution: Convolution) -> Rates:
    """Measure again and keep the result, in place of an earlier one and even if measuring is turned off.

    Args:
        convolution: as in `probes.measure`.
    """
    with _lock:
        fresh = _found[_identity(torch.get_num_threads())] = _measure_and_keep(convolution)
    return fresh


def kept() -> Rates | None:
    """The rates measured earlier, in this process or kept in its file; None if there are none. Nothing is measured."""
    found = _found.get(_identity(torch.get_num_threads()))
    if found is None and (factors := read(cache_file())) is not None:
        found = Rates(factors)
    return found


def enabled() -> bool:
    """Whether the environment allows measuring."""
    return os.environ.get(OFF) != "0"


def key() -> Key:
    """What the rates depend on; a file with another key is ignored."""
    return {
        "processor": f"{processor_name()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "windowconv": version("windowconv"),
        "implementation": library.instructions() or "reference",
        "built_in": hashlib.sha256(repr(ROWS).encode()).hexdigest()[:16],  # what the factors multiply
    }


def cache_file() -> Path | None:
    """The file of the rates for `key()`; None for a user without a home folder."""
    folder = cache_folder()
    return None if folder is None else folder / f"rates-{_identity(torch.get_num_threads())}.json"


def read(path: Path | None) -> Mapping[str, Factors] | None:
    """The factors in a file; None if there is no file, or it is damaged or has another key."""
    if path is None:
        return None
    try:
        content = json.loads(path.read_text())
        groups = content["factors"]
        valid = content["key"] == key() and all(_is_positive(f[share]) for f in groups.values() for share in SHARES)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return groups if valid and groups else None


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


@lru_cache(maxsize=64)
def _identity(threads: int) -> str:
    """A hash of `key()`, of which only the number of threads can change."""
    return hashlib.sha256(json.dumps(dict(key(), threads=threads), sort_keys=True).encode()).hexdigest()[:16]


def _may_measure() -> bool:
    if _forked or get_worker_info() is not None or torch.compiler.is_compiling():
        return False
    return not _get_current_dispatch_mode_stack()  # fake tensors are one of those modes


def _measure_and_keep(convolution: Convolution) -> Rates:
    """Measure in a thread of its own, which has none of the caller's modes, autocast or gradient settings."""
    threads = torch.get_num_threads()

    def measure() -> Mapping[str, Factors] | None:
        torch.set_num_threads(threads)  # the setting is each thread's own
        return probes.measure(convolution)

    with ThreadPoolExecutor(1, "windowconv-calibration") as pool:
        factors = pool.submit(measure).result()
    if factors is None:  # nothing is kept: the next process may find the machine less busy
        return BUILT_IN
    path = cache_file()
    if path is not None:
        content = {"key": key(), "measured": time.strftime("%Y-%m-%d %H:%M:%S"), "factors": factors}
        with suppress(InputError):  # if the folder is not writable, every process measures
            replace_file(path, (json.dumps(content, indent=1) + "\n").encode())
    return Rates(factors)
