"""Errors and warnings about input. One form for all messages: `name=value; allowed: ...`.

`InputError` is a `ValueError`, so `except ValueError` catches it. The command line prints it as one line and exits with
2; any other exception is a bug in windowconv and keeps its traceback.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from importlib.util import find_spec
from types import ModuleType

SHOWN = 30  # names in a message


class InputError(ValueError):
    """An argument, file or folder that cannot be used. The message names it, its value and what is allowed."""


class WindowWarning(UserWarning):
    """A window, checkpoint or conversion that works, but perhaps not as expected."""


def unknown(name: str, value: object, allowed: Iterable[str], also: str = "") -> InputError:
    """An `InputError` for a value that is not one of the strings in `allowed`, suggesting the nearest.

    `also` describes what else is allowed.

    >>> print(unknown("window", "haming", ["hann", "hamming"]))
    window='haming'; allowed: hamming, hann; did you mean 'hamming'?
    """
    names = sorted(set(allowed))
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    return InputError(f"{name}={value!r}; allowed: {shown}{also and f', or {also}'}{hint}")


def not_finite(name: str, count: int) -> InputError:
    """An `InputError` for an array, `name`, with `count` values that are NaN or infinite."""
    return InputError(f"{name} has {count:,} NaN or infinite values; allowed: finite numbers")


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or name the extra that installs it.

    >>> require("no_such_module", "lab")
    Traceback (most recent call last):
    ...
    windowconv.errors.InputError: this needs no_such_module: pip install 'windowconv[lab]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise InputError(f"this needs {error.name}: pip install 'windowconv[{extra}]'") from None


def check_installed(extra: str, *modules: str) -> None:
    """An `InputError` that names the extra where a module is not installed; none is imported, which may take seconds.

    >>> check_installed("lab", "no_such_module")
    Traceback (most recent call last):
    ...
    windowconv.errors.InputError: this needs no_such_module: pip install 'windowconv[lab]'
    """
    for module in modules:
        if find_spec(module) is None:
            raise InputError(f"this needs {module}: pip install 'windowconv[{extra}]'")
