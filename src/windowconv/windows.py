"""The values of a window at a kernel's size.

Everything is computed by SciPy in float64 and cast once. **Symmetric is the default here**, as in
`torch.signal.windows` and in the paper; `scipy.signal.get_window` and `torch.hamming_window` default to
*periodic* windows, whose values at the same size differ (Hamming-7: `.08 .31 .77 1 .77 .31 .08` symmetric,
`.08 .25 .64 .95 .95 .64 .25` periodic).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from windowconv.errors import InputError, WindowWarning
from windowconv.window_spec import AXES, VALUES, Kind, Normalize, Window, WindowLike, as_size, as_window

__all__ = ["Window", "WindowLike", "advice", "advise", "as_size", "as_window", "get_window", "window_values"]

Array = npt.NDArray[np.floating[Any]]


def get_window(
    window: WindowLike,
    size: int | Sequence[int],
    *,
    sym: bool = True,
    kind: Kind = "separable",
    normalize: Normalize = "none",
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """The window's values for a kernel of this size.

    Computed in float64 by `scipy.signal.get_window(..., fftbins=not sym)`, then cast once. Not for the
    analysis windows of a short-time Fourier transform: those are periodic; `torch.signal.windows` has them.

    Args:
        window, sym, kind, normalize: as in `as_window`.
        size: taps; an int (1-D), or one int per axis for up to 3 axes.
        dtype: a floating-point dtype; None is torch's default dtype.
        device: of the values.

    Returns:
        A tensor of shape `size`.

    Raises:
        InputError: a size below 1; a window that SciPy cannot compute at this size, or whose values are not finite;
            a window tensor of another shape.

    Warns:
        WindowWarning: at this size the window has dead taps or nearly closes the kernel.

    >>> get_window("hamming", 7)
    tensor([0.0800, 0.3100, 0.7700, 1.0000, 0.7700, 0.3100, 0.0800])
    >>> print(f"{get_window('hamming', (7, 7), normalize='energy').square().mean():.6f}")
    1.000000
    """
    spec = as_window(window, size, sym=sym, kind=kind, normalize=normalize)
    values = window_values(spec, as_size(size))
    advise(spec, as_size(size), stacklevel=3)
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if not dtype.is_floating_point:
        raise InputError(f"dtype={dtype}; allowed: a floating-point dtype")
    return torch.tensor(values, dtype=dtype, device=device)


@lru_cache(maxsize=256)
def window_values(window: Window, size: tuple[int, ...]) -> Array:
    """The float64 values of `window`, shape `size`, read-only; `get_window` is the public function."""
    if window.name == VALUES and _depth(window.params) > 1:
        values = np.array(window.params, dtype=np.float64)
        if window.kind == "radial":
            raise InputError("kind='radial' with an n-D window; allowed: a 1-D profile")
        if values.shape != size:
            raise InputError(f"window.shape={values.shape}; allowed: {size}, the kernel's size, or 1-D")
    elif window.kind == "radial":
        values = _radial(window, size)
    else:
        axes = window.params if window.name == AXES else (window,) * len(size)
        if len(axes) != len(size):
            raise InputError(f"window with {len(axes)} axes; allowed: {len(size)}, as the kernel {size} has")
        values = np.ones(())
        for axis, taps in zip(axes, size, strict=True):
            values = np.multiply.outer(values, _profile(axis, taps))
    values = _normalized(values, window, size)
    values.setflags(write=False)
    return values


def advice(window: Window, size: tuple[int, ...]) -> str | None:
    """What is wrong with this window at this size, and what to use instead; None if nothing is.

    A tap is dead below 1e-6 of the peak. A window closes the kernel when an axis keeps fewer than 1.5
    effective taps, (sum w)^2 / sum w^2, or when its peak is below one half. Up to 1 % of dead taps are no loss.
    """
    values = np.abs(window_values(window, size))
    axes = sum(n > 1 for n in size)
    if axes == 0:
        return None
    kernel = "x".join(map(str, size))
    dead = int((values <= 1e-6 * values.max()).sum())
    effective = (values.sum() ** 2 / (values**2).sum()) ** (1 / axes)
    if effective < 1.5 or (values.max() < 0.5 and window.normalize == "none"):
        return (
            f"window {window} nearly closes a {kernel} kernel ({effective:.1f} effective taps per axis, peak "
            f"{values.max():.2g}): use a larger kernel, such as 7, or a wider window, such as ('general_hamming', 0.75)"
        )
    if dead > values.size / 100:
        return (
            f"window {window} is zero at {dead} of {values.size} taps of a {kernel} kernel: use 'hamming', or the "
            "window two taps longer without its end taps: "
            f"lambda n: scipy.signal.windows.{window.name}(n + 2)[1:-1]"
        )
    return None


def advise(window: Window, size: tuple[int, ...], stacklevel: int) -> None:
    """Warn with `advice`, if any; `stacklevel` 2 is the caller's line, 3 its caller's."""
    if (text := advice(window, size)) is not None:
        warnings.warn(text, WindowWarning, stacklevel=stacklevel)


def _profile(window: Window, taps: int) -> Array:
    """The 1-D values of a window that is no list."""
    if window.name == VALUES:
        values = np.array(window.params, dtype=np.float64)
        if values.shape != (taps,):
            raise InputError(f"window.shape={values.shape}; allowed: ({taps},), one value per tap of the axis")
        return values
    if window.name == "boxcar":
        return np.ones(taps)
    values = _scipy_values(window, taps)
    if not np.isfinite(values).all():
        raise InputError(f"window={window} is {values} at size {taps}; allowed: finite values")
    if not values.any():
        raise InputError(f"window={window} is zero at every tap at size {taps}; allowed: a larger kernel")
    return values


def _scipy_values(window: Window, taps: int) -> Array:
    from scipy.signal import get_window as scipy_window  # half a second: not at import

    given = (window.name, *window.params) if window.params else window.name
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return np.asarray(scipy_window(given, taps, fftbins=not window.sym), dtype=np.float64)
    except Exception as error:
        reason = " ".join(str(error).split())
        if "must have parameters" in reason:
            reason = f"it needs parameters; allowed: a tuple such as ({window.name!r}, 8.6)"
        raise InputError(f"window={window} cannot be computed at size {taps}: {reason}") from None


def _radial(window: Window, size: tuple[int, ...]) -> Array:
    """The longest axis's profile at the normalised radius of each tap.

    A periodic window of N taps is a symmetric one of N + 1 without its last tap, so its middle is at N/2.
    """
    extra = 0 if window.sym or window.name == VALUES else 1
    taps = max(size) + extra
    profile = _profile(replace(window, sym=True, kind="separable", normalize="none"), taps)
    if not np.allclose(profile, profile[::-1], rtol=1e-9, atol=1e-12):
        raise InputError(f"kind='radial' with window={window}, {profile}; allowed: a symmetric profile")
    squares = [coordinates(n, extra) ** 2 for n in size]
    radius = np.sqrt(np.sum(np.meshgrid(*squares, indexing="ij"), axis=0))
    return np.interp(np.minimum(radius, 1.0), coordinates(taps), profile)


def coordinates(taps: int, extra: int = 0) -> Array:
    """Positions of the taps, -1 at the first and 1 at the last (a periodic window's last is left out)."""
    half = (taps + extra - 1) / 2
    return (np.arange(taps) - half) / half if half else np.zeros(taps)


def _normalized(values: Array, window: Window, size: tuple[int, ...]) -> Array:
    scale = {
        "none": 1.0,
        "peak": float(np.abs(values).max()),
        "sum": float(values.mean()),
        "energy": math.sqrt(float((values**2).mean())),
    }[window.normalize]
    if abs(scale) < 1e-12:
        raise InputError(f"normalize={window.normalize!r} divides {window} at size {size} by zero; allowed: 'none'")
    return values / scale


def _depth(params: Any) -> int:
    return 1 + _depth(params[0]) if isinstance(params, tuple) else 0
