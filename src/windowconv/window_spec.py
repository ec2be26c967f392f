"""The specification of a window: which one, independent of a kernel's size, and the shorthands for it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from windowconv.errors import InputError, unknown
from windowconv.integers import as_ints

Kind = Literal["separable", "radial"]
Normalize = Literal["none", "peak", "sum", "energy"]

KINDS = ("separable", "radial")
NORMALIZATIONS = ("none", "peak", "sum", "energy")
VALUES = "values"  # name of a window that is given by its values, which are then its params
AXES = "axes"  # name of a list of windows, one per axis, which are then its params


@dataclass(frozen=True)
class Window:
    """A window's specification, independent of the kernel's size; hashable and JSON-able.

    Args:
        name: a window of `scipy.signal.get_window` (`"hamming"`, `"kaiser"`, ...), `"values"` or `"axes"`.
        params: the window's parameters as SciPy orders them; for `"values"` the (nested) values themselves,
            for `"axes"` one `Window` an axis.
        sym: symmetric (as the paper has it), else periodic.
        kind: `"separable"`: the outer product of one 1-D window per axis. `"radial"`: rotationally symmetric,
            the 1-D profile of the longest axis interpolated linearly at the normalised radius min(r, 1),
            where r is 1 at the middle of each side.
        normalize: `"none"` (the paper); `"peak"`: largest magnitude 1; `"sum"`: coherent gain (mean of w) 1;
            `"energy"`: mean of w^2 = 1, which keeps the plain layer's initial variance (without it a 7x7
            Hamming layer starts at 0.342 of its standard deviation).

    Raises:
        InputError: an unknown name, kind or normalisation; parameters that are not finite
            numbers; a SciPy `*_periodic` or `*_symmetric` name that contradicts `sym`.

    >>> Window("kaiser", (8.6,)).to_json()
    '{"kind": "separable", "name": "kaiser", "normalize": "none", "params": [8.6], "sym": true}'
    """

    name: str
    params: tuple[Any, ...] = ()
    sym: bool = True
    kind: Kind = "separable"
    normalize: Normalize = "none"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("kind", self.kind, KINDS)
        if self.normalize not in NORMALIZATIONS:
            raise unknown("normalize", self.normalize, NORMALIZATIONS)
        object.__setattr__(self, "params", _frozen(self.params))
        if self.name == AXES:
            if self.kind == "radial":
                raise InputError("kind='radial' with a list of windows; allowed: one window for all axes")
            if not self.params or not all(isinstance(w, Window) for w in self.params):
                raise InputError(f"params={self.params!r}; allowed: one Window per axis")
            if any(w.name == AXES or (w.kind, w.normalize) != ("separable", "none") for w in self.params):
                raise InputError("kind or normalize set for one window of a list; allowed: set for the whole list")
            return
        _check_finite(self)
        if self.name != VALUES:
            object.__setattr__(self, "name", _scipy_name(self.name, self.params, self.sym))

    def to_json(self) -> str:
        """This specification as JSON; `Window.from_json` reads it back."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Window:
        """The window that `to_json` wrote; an `InputError` for other text."""
        try:
            return _from_dict(json.loads(text))
        except InputError:
            raise
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise InputError(f"window specification {text!r} cannot be read: {error}") from None

    def __str__(self) -> str:
        if self.name == AXES:
            text = "[" + ", ".join(map(str, self.params)) + "]"
        elif self.name == VALUES:
            text = "given values"
        else:
            text = self.name + (f"({', '.join(map(str, self.params))})" if self.params else "")
        options = [] if self.sym else ["periodic"]
        options += [self.kind] if self.kind != "separable" else []
        options += [self.normalize] if self.normalize != "none" else []
        return " ".join([text, *options])


WindowLike = Window | str | tuple[Any, ...] | list[Any] | Tensor | npt.NDArray[Any] | Callable[[int], Any] | None


def as_window(
    window: WindowLike,
    size: int | Sequence[int],
    *,
    sym: bool = True,
    kind: Kind = "separable",
    normalize: Normalize = "none",
) -> Window:
    """The `Window` that a shorthand stands for.

    Args:
        window: a `Window`; or a name; a tuple (name, parameters...) as SciPy has them; `None` (no window: all
            taps 1); a tensor or array (1-D: the profile of every axis; n-D: the very values); a callable that
            maps a number of taps to 1-D values; or a *list* of these, one per axis.
        size: the kernel's size, which a callable's values depend on.
        sym, kind, normalize: as in `Window`; they apply to a shorthand. A `Window` has its own.

    Raises:
        InputError: anything else, or keywords that contradict a given `Window`.
    """
    if isinstance(window, Window):
        for key, given, default in (
            ("sym", sym, True),
            ("kind", kind, "separable"),
            ("normalize", normalize, "none"),
        ):
            if given not in (default, getattr(window, key)):
                raise InputError(
                    f"{key}={given!r} contradicts {window!r}; allowed: dataclasses.replace(window, {key}={given!r})"
                )
        return window
    options: dict[str, Any] = {"sym": sym, "kind": kind, "normalize": normalize}
    if window is None:
        return Window("boxcar", **options)
    if isinstance(window, str):
        return Window(window, **options)
    if isinstance(window, tuple):
        if not window or not isinstance(window[0], str):
            raise InputError(
                f"window={window!r}; allowed: a tuple of name and parameters, such as ('kaiser', 8.6), or a list with "
                "one window per axis"
            )
        return Window(window[0], window[1:], **options)
    if isinstance(window, Tensor | np.ndarray):
        return Window(VALUES, _nested(window), **options)
    sizes = as_size(size)
    if isinstance(window, list):
        if len(window) != len(sizes):
            raise InputError(f"window={window!r}; allowed: {len(sizes)} windows, one per axis")
        each = tuple(as_window(w, n, sym=sym) for w, n in zip(window, sizes, strict=True))
        return Window(AXES, each, **options)
    if callable(window):
        if len(set(sizes)) == 1:
            return Window(VALUES, _nested(window(sizes[0])), **options)
        each = tuple(Window(VALUES, _nested(window(n))) for n in sizes)
        return Window(AXES, each, **options)
    raise InputError(
        f"window={window!r}; allowed: a Window, a name, a (name, parameter) tuple, a list with one window per axis, "
        "a tensor, a callable, or None"
    )


def as_size(size: int | Sequence[int]) -> tuple[int, ...]:
    """A kernel's size as a tuple of 1 to 3 positive ints."""
    sizes = as_ints(size)
    if sizes is None or not 1 <= len(sizes) <= 3:
        raise InputError(f"size={size!r}; allowed: an int, or one int per axis for 1 to 3 axes")
    if min(sizes) < 1:
        raise InputError(f"size={size!r}; allowed: 1 or more taps on every axis")
    return sizes


def _scipy_name(name: str, params: tuple[Any, ...], sym: bool) -> str:
    """SciPy's name without `_periodic` or `_symmetric`; an error if it is unknown or contradicts `sym`."""
    from scipy.signal import get_window as scipy_window
    from scipy.signal import windows

    if not isinstance(name, str):
        raise InputError(f"window={name!r}; allowed: a string")
    for suffix, value in (("_periodic", False), ("_symmetric", True)):
        if name.endswith(suffix):
            if sym is not value:
                raise InputError(f"window={name!r} contradicts sym={sym}; allowed: {name.removesuffix(suffix)!r}")
            name = name.removesuffix(suffix)
    known = set(windows.__all__) - {"get_window"}
    if name not in known:
        try:  # SciPy has more spellings, "hanning" or "ksr", and no list of them
            scipy_window((name, *params) if params else name, 64)
        except (ValueError, TypeError):
            raise unknown("window", name, known) from None
    return name


def _frozen(value: Any) -> Any:
    """Lists and arrays as tuples, numbers as Python's own, so that a `Window` is hashable."""
    if isinstance(value, Tensor | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_frozen(v) for v in value)
    return value.item() if isinstance(value, np.generic) else value


def _nested(values: Any) -> tuple[Any, ...]:
    """Values as nested tuples of float64."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().tolist()  # bfloat16, which NumPy lacks, included
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        text = " ".join(str(values).split())
        raise InputError(f"window={text}; allowed: a rectangular array of real numbers") from None
    if array.ndim == 0 or array.size == 0:
        raise InputError(f"window.shape={array.shape}; allowed: one value per tap")
    return _frozen(array)


def _check_finite(window: Window) -> None:
    """Parameters are finite numbers, None (SciPy's `exponential` takes it), booleans, or nested sequences."""
    pending = list(window.params)
    while pending:
        value = pending.pop()
        if isinstance(value, tuple):
            pending.extend(value)
        elif value is not None and (not isinstance(value, int | float) or not math.isfinite(value)):
            where = "values" if window.name == VALUES else f"parameters of {window.name!r}"
            hint = " (one window per axis is a list, not a tuple)" if isinstance(value, str) else ""
            raise InputError(f"window: {where} include {value!r}; allowed: finite numbers{hint}")


def _from_dict(given: dict[str, Any]) -> Window:
    params = given["params"]
    if given["name"] == AXES:
        params = [_from_dict(w) for w in params]
    return Window(given["name"], tuple(params), given["sym"], given["kind"], given["normalize"])
