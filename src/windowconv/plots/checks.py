"""Arguments of figures as finite float64 arrays, or an `InputError` that names the argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from windowconv.errors import InputError, not_finite

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike, NDArray

Numbers: TypeAlias = "ArrayLike | torch.Tensor"
Array: TypeAlias = "NDArray[np.float64]"
Collected = TypeVar("Collected", Sequence[Any], Mapping[str, Any])


def nonempty(given: Collected, name: str) -> Collected:
    """`given` itself; an `InputError` if it is empty."""
    if len(given) == 0:
        raise InputError(f"{name} is empty; allowed: one or more values")
    return given


def finite(given: Any, name: str, *shape: int | None) -> Array:
    """`given` (`Numbers`) as a float64 array.

    `shape` is the shape wanted, with None where any positive size will do. An `InputError` names the argument
    `name` where the numbers are not numbers, not finite, or of another shape.
    """
    array = _floats(given, name)
    fits = len(shape) == array.ndim and all(w in (None, n) for w, n in zip(shape, array.shape, strict=True))
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise InputError(f"{name}.shape={array.shape}; allowed: ({wanted})")
    if not np.isfinite(array).all():
        raise not_finite(name, int(np.count_nonzero(~np.isfinite(array))))
    return array


def shares(given: Any, name: str, size: int) -> Array:
    """`given`, (size,) or (seeds, size), as (seeds, size) shares within [0, 1], or an `InputError`."""
    array = _floats(given, name)
    array = finite(array[None] if array.ndim == 1 else array, name, None, size)
    if array.min() < -1e-6 or array.max() > 1 + 1e-6:
        raise InputError(f"{name} within {array.min():g} and {array.max():g}; allowed: within 0 and 1")
    return array


def _floats(given: Any, name: str) -> Array:
    # The host before float64: some accelerators have no doubles, and numpy has no bfloat16.
    plain = given.detach().cpu().double().numpy() if hasattr(given, "detach") else given
    try:
        array = np.asarray(plain, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}={str(plain)[:60]!r}; allowed: a rectangular array of numbers") from None
    if array.size == 0:
        raise InputError(f"{name} is empty; allowed: one or more values")
    return array
