"""The taps of a low-pass filter that goes before subsampling."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from windowconv.errors import InputError
from windowconv.integers import check_int
from windowconv.windows import WindowLike, as_window, window_values

BINOMIAL = "binomial"
Filter = Literal["binomial"] | WindowLike

Taps = npt.NDArray[np.float64]


def blur_taps(taps: int = 3, window: Filter = BINOMIAL, cutoff: float | None = None, stride: int = 2) -> Taps:
    """The taps (taps,) of a low-pass filter, float64, whose gain at frequency zero is exactly 1.

    "binomial": the coefficients of (1 + z)^(taps - 1) over their sum, as in `BlurPool`. Any other window w: an ideal
    low pass, cut off by it,

        h[n] = 2 f sinc(2 f m) w[n] / sum,   m = n - (taps - 1) / 2.

    Args:
        taps: how many, from 1 on.
        window: "binomial", or a window as in `windowconv.as_window`.
        cutoff: f in cycles a sample, above 0 and at most 0.5, for a windowed sinc; None is 1 / (2 stride), above which
            frequencies fold.
        stride: of the subsampling that follows.

    Raises:
        InputError: a number that is out of range, a cutoff for the binomial filter, or a filter whose taps cancel.

    Not for filters that must be flat up to the cutoff: with few taps none is.

    Source: Zhang, "Making convolutional networks shift-invariant again", ICML 2019 (binomial); Oppenheim & Schafer,
    *Discrete-Time Signal Processing*, section 7.5 (windowed sinc).

    >>> blur_taps(3)
    array([0.25, 0.5 , 0.25])
    """
    taps = check_int("taps", taps, least=1)
    stride = check_int("stride", stride, least=1)
    if isinstance(window, str) and window == BINOMIAL:
        if cutoff is not None:
            raise InputError(f"cutoff={cutoff!r}; allowed: None with the binomial filter, which has none to choose")
        values = np.array([math.comb(taps - 1, n) for n in range(taps)], dtype=np.float64)
        return values / values.sum()
    edge = _checked(1 / (2 * stride) if cutoff is None else cutoff)
    places = np.arange(taps) - (taps - 1) / 2
    values = 2 * edge * np.sinc(2 * edge * places) * window_values(as_window(window, (taps,)), (taps,))
    total = values.sum()
    if not abs(total) > 1e-6 * np.abs(values).sum():
        raise InputError(f"window={window!r}, taps={taps}, cutoff={edge:g}: the taps cancel; allowed: a longer filter")
    return values / total


def _checked(cutoff: Any) -> float:
    if isinstance(cutoff, bool) or not isinstance(cutoff, int | float) or not 0 < cutoff <= 0.5:
        raise InputError(f"cutoff={cutoff!r}; allowed: above 0, at most 0.5 cycles a sample")
    return float(cutoff)
