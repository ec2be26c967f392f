"""What the library says when it is given something that it cannot use.

`InputError` is a `ValueError`, so `except ValueError` catches it; the command line prints it as one line and
exits with 2, while any other exception is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from importlib.util import find_spec
from types import ModuleType

SHOWN = 30  # names in a message


class InputError(ValueError):
    """An argument, a file or a folder that cannot be used: the message names it and the way out."""


class WindowWarning(UserWarning):
    """A window, a checkpoint or a conversion that works, but probably not as its user expects."""


def unknown(what: str, given: object, allowed: Iterable[str]) -> InputError:
    """An `InputError` for a name that is not among `allowed`, suggesting the nearest.

    >>> print(unknown("window", "haming", ["hann", "hamming"]))
    window='haming' is unknown; did you mean 'hamming'? Allowed: hamming, hann
    """
    names = sorted(set(allowed))
    near = difflib.get_close_matches(str(given), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    return InputError(f"{what}={given!r} is unknown{hint} Allowed: {shown}")


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
