"""The native library, found and loaded by ctypes, and its interface (interface.h)."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, Structure, c_char_p, c_int, c_int32, c_int64, c_void_p
from functools import lru_cache
from pathlib import Path
from typing import Any

from windowconv.errors import InputError

OFF = "WINDOWCONV_NATIVE"  # "0" turns the native operator off
INSTRUCTIONS = "WINDOWCONV_INSTRUCTIONS"  # the instruction set to use instead of the machine's best
FAILURE = "build_failure.txt"  # written beside this file by setup.py

INTERFACE = 3  # WC_INTERFACE of interface.h
FLOAT32, BFLOAT16 = 0, 1
OUTPUT, GRADIENT_INPUT, GRADIENT_KERNEL = 0, 1, 2


class Tensor(Structure):
    """`wc_tensor`."""

    _fields_ = (
        ("data", c_void_p),
        ("group_stride", c_int64),
        ("image_stride", c_int64),
        ("channel_stride", c_int64),
        ("height_stride", c_int64),
        ("width_stride", c_int64),
        ("images", c_int64),
        ("groups", c_int32),
        ("channels", c_int32),
        ("type", c_int32),
    )


class Axis(Structure):
    """`wc_axis`, which keeps alive the tables that it points to."""

    tables: tuple[Any, Any]

    _fields_ = (
        ("size", c_int32),
        ("tiles", c_int32),
        ("first", c_int32),
        ("advance", c_int32),
        ("length", c_int32),
        ("centre2", c_int32),
        ("pairs", c_int32),
        ("period", c_int32),
        ("frequencies", c_int32),
        ("cosine", c_void_p),
        ("sine", c_void_p),
    )


class Spectrum(Structure):
    """`wc_spectrum`."""

    _fields_ = (
        ("data", c_void_p),
        ("plane", c_int64),
        ("rows", c_int64),
        ("groups", c_int32),
        ("channels", c_int32),
        ("frequencies", c_int32),
        ("type", c_int32),
    )


class Volume(Structure):
    """`wc_volume`."""

    _fields_ = (("plane", Tensor), ("depth_stride", c_int64))


class Side(Structure):
    """`wc_side`."""

    _fields_ = (
        ("size", c_int32),
        ("outputs", c_int32),
        ("taps", c_int32),
        ("stride", c_int32),
        ("dilation", c_int32),
        ("before", c_int32),
    )


class Depthwise(Structure):
    """`wc_depthwise`."""

    _fields_ = (("side", Side * 3), ("images", c_int64), ("channels", c_int32))


class Run(Structure):
    """`wc_run`."""

    _fields_ = (("threads", c_int32), ("scratch_bytes", c_int64), ("scratch", c_void_p))


_SIGNATURES = {
    "wc_interface": (c_int, []),
    "wc_lanes": (c_int, []),
    "wc_instructions": (c_char_p, []),
    "wc_available": (c_char_p, []),
    "wc_select": (c_int, [c_char_p]),
    "wc_transform_scratch": (c_int64, [POINTER(Axis), POINTER(Axis)]),
    "wc_multiply_scratch": (c_int64, [POINTER(Spectrum)] * 3 + [c_int, c_int]),
    "wc_transform": (c_int, [POINTER(Tensor), POINTER(Axis), POINTER(Axis), c_void_p, POINTER(Spectrum), POINTER(Run)]),
    "wc_invert": (
        c_int,
        [POINTER(Spectrum), POINTER(Axis), POINTER(Axis), c_void_p, c_void_p, c_int, POINTER(Tensor), POINTER(Run)],
    ),
    "wc_multiply": (c_int, [POINTER(Spectrum)] * 3 + [c_int, c_int, c_int, POINTER(Run)]),
    "wc_multiply_depthwise": (c_int, [POINTER(Spectrum)] * 3 + [c_int, POINTER(Run)]),
    "wc_packed_size": (c_int64, [POINTER(Spectrum)]),
    "wc_pack": (c_int, [POINTER(Spectrum), c_void_p, POINTER(Run)]),
    "wc_direct_shared": (c_int64, [POINTER(Depthwise), c_int, c_int]),
    "wc_direct_scratch": (c_int64, [POINTER(Depthwise), c_int, c_int]),
    "wc_direct": (
        c_int,
        [
            POINTER(Depthwise),
            c_int,
            POINTER(Volume),
            POINTER(Volume),
            POINTER(Tensor),
            c_void_p,
            c_void_p,
            POINTER(Run),
        ],
    ),
}


@lru_cache(maxsize=1)
def _opened() -> tuple[Any, str]:
    """The library, or None and the reason."""
    if os.environ.get(OFF) == "0":
        return None, f"turned off by {OFF}=0"
    found = sorted(Path(__file__).parent.glob("_kernels*.so")) + sorted(Path(__file__).parent.glob("_kernels*.dylib"))
    if not found:
        failure = Path(__file__).with_name(FAILURE)
        reason = failure.read_text().strip() if failure.exists() else "it was not built when windowconv was installed"
        return None, reason
    try:
        opened = ctypes.CDLL(str(found[0]))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(opened, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        return None, f"{found[0].name} could not be loaded: {error}"
    if opened.wc_interface() != INTERFACE:
        return None, f"{found[0].name} was built from other sources: install windowconv again"
    wanted = os.environ.get(INSTRUCTIONS)
    if wanted and opened.wc_select(wanted.encode()) != 0:
        sets = opened.wc_available().decode().replace(" ", ", ")
        raise InputError(f"{INSTRUCTIONS}={wanted!r}; allowed on this machine: {sets}")
    return opened, ""


def library() -> Any:
    """The loaded library; None if there is none."""
    return _opened()[0]


def instructions() -> str | None:
    """The instruction set in use; None without the library."""
    opened = library()
    return None if opened is None else opened.wc_instructions().decode()


def why_not() -> str:
    """Why there is no native operator; empty if there is one."""
    return _opened()[1]
