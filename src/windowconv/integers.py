"""Whole numbers as arguments: Python's ints, and whatever is one by `__index__` (NumPy's, a tensor's element)."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from windowconv.errors import InputError


def as_int(value: Any) -> int | None:
    """`value` as an int; None if it is no whole number. A bool is none.

    >>> as_int(np.int64(7)), as_int(torch.tensor(7)), as_int(7.0), as_int(True)
    (7, 7, None, None)
    """
    if type(value) is int or isinstance(value, torch.SymInt):  # a size that a compiler leaves open stays open
        return cast(int, value)
    if isinstance(value, bool | np.bool_) or (isinstance(value, Tensor) and (value.dtype == torch.bool or value.ndim)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def check_int(name: str, value: Any, least: int, unit: str = "") -> int:
    """`value` as an int; an `InputError` that names the argument unless it is a whole number of `least` or more.

    >>> check_int("grid", 0, 1)
    Traceback (most recent call last):
    ...
    windowconv.errors.InputError: grid=0; allowed: an int of 1 or more
    """
    whole = as_int(value)
    if whole is None or whole < least:
        raise InputError(f"{name}={value!r}; allowed: an int of {least} or more{unit and f', in {unit}'}")
    return whole


def check_ints(name: str, value: Any, axes: int, least: int) -> tuple[int, ...]:
    """`value`, one whole number for all axes or one for each, as a tuple; an `InputError` otherwise.

    >>> check_ints("stride", 2, axes=2, least=1)
    (2, 2)
    """
    values = as_ints(value) or ()
    values = values * axes if len(values) == 1 else values
    if len(values) != axes or not all(v >= least for v in values):
        raise InputError(f"{name}={value!r}; allowed: an int of {least} or more, or {axes} of them")
    return values


def as_ints(value: Any) -> tuple[int, ...] | None:
    """`value`, a whole number or a sequence of them (an array or a tensor too), as a tuple; None if it is neither.

    >>> as_ints(np.array([7, 9])), as_ints(7), as_ints([7, 9.5])
    ((7, 9), (7,), None)
    """
    if (one := as_int(value)) is not None:
        return (one,)
    if not isinstance(value, Sequence | np.ndarray | Tensor) or (not isinstance(value, Sequence) and value.ndim != 1):
        return None
    ints = [as_int(item) for item in value]
    return None if None in ints else cast(tuple[int, ...], tuple(ints))
