"""Figures of merit of windows: how wide the main lobe is, how high the side lobes, and what that costs.

Those of Harris 1978, in float64, for any one-dimensional values. Frequencies are in DFT bins, one bin being
1 / N cycles/sample for N values; a window of twice the size has lobes of half the width in cycles/sample.
So lobe figures compare windows at one size, not sizes; for that there is `leakage_curve`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from windowconv.errors import InputError, not_finite
from windowconv.spectra.lobes import ROUNDING, Array, Spectrum, energy_beyond, highest, main_lobe, side_lobes

OCTAVES = (1 / 64, 1 / 16)  # cycles/sample between which the fall-off is measured: far out, not yet aliased
LOBES = 4  # side lobes there that make a slope


@dataclass(frozen=True)
class WindowFigures:
    """A window's figures of merit, of N values w with the spectrum W(nu) at nu bins; None where there is none.

    Attributes:
        size: N.
        width_3db: main-lobe width where |W|^2 is half the peak's, in bins.
        width_6db: main-lobe width where |W| is half the peak's, in bins.
        width_null: between the first minima of |W| on either side, in bins; None if the main lobe does not end.
        sidelobe_db: the highest side lobe over the main lobe's peak, 20 log10, in dB.
        falloff_db: the slope of the side lobes' peaks between 1/64 and 1/16 cycles/sample, by least squares,
            rounded to 6 dB/octave, of which theory makes it a multiple; None below 256 values.
        islr_db: integrated side-lobe ratio, 10 log10 of the energy outside of the null-to-null width over that
            inside, in dB.
        enbw: equivalent noise bandwidth, N sum w^2 / (sum w)^2, in bins.
        coherent_gain: sum w / N.
        scalloping_db: loss of a sinusoid halfway between bins, 20 log10 |W(0) / W(1/2)|, in dB.
        worst_case_db: worst-case processing loss, scalloping_db + 10 log10 enbw, in dB.
        overlap_75, overlap_50: correlation of the noise of transforms overlapping by 75 % or 50 %,
            100 sum w[n] w[n + s] / sum w^2 with s = N / 4 or N / 2, in per cent; None if s is no integer.

    Source: F. J. Harris, On the use of windows for harmonic analysis with the discrete Fourier transform,
    Proceedings of the IEEE 66(1), 1978; the integrated side-lobe ratio is radar's.
    """

    size: int
    width_3db: float | None
    width_6db: float | None
    width_null: float | None
    sidelobe_db: float | None
    falloff_db: int | None
    islr_db: float | None
    enbw: float
    coherent_gain: float
    scalloping_db: float | None
    worst_case_db: float | None
    overlap_75: float | None
    overlap_50: float | None

    @property
    def effective_taps(self) -> float:
        """How many equal taps would average noise as well: (sum w)^2 / sum w^2 = N / ENBW."""
        return self.size / self.enbw


def window_figures(values: Sequence[float] | npt.NDArray[Any] | Tensor) -> WindowFigures:
    """The figures of merit of a window that is given by its values.

    The main lobe is the one around frequency 0. It ends at the first minimum of |W| beyond its half-power
    point, so ripples on a flat top are within it; levels are relative to its largest |W|. Side lobes below
    -240 dB are lost in rounding. Harris's table is about large periodic windows; a kernel's symmetric window
    has figures of its own.

    Not for comparing sizes (a bin is 1 / N cycles/sample), nor for a whole kernel, whose base pattern
    decides too: `leakage_curve` is for both.

    Args:
        values: (N,), finite and real, at any scale; their sum is not 0.

    Raises:
        InputError: values that are not (N,) finite real numbers, or that sum to 0.

    >>> figures = window_figures([1.0] * 64)
    >>> print(f"{figures.width_null:.3f} {figures.sidelobe_db:.2f} {figures.scalloping_db:.2f}")
    2.000 -13.25 3.92
    """
    w = _checked(values)
    spectrum = Spectrum(w)
    lobe = main_lobe(spectrum)
    places = side_lobes(spectrum, lobe.edge or 0.0)
    sidelobe = islr = None
    if lobe.edge is not None and len(places):
        sidelobe = _decibels(highest(spectrum, places) / lobe.peak)
        beyond = energy_beyond(spectrum, lobe.edge)
        islr = 10 * math.log10(beyond / (len(w) / 2 * float(w @ w) - beyond))
    enbw = len(w) * float(w @ w) / float(w.sum()) ** 2
    halfway = spectrum.amplitude(0.5) / abs(float(w.sum()))
    scalloping = -_decibels(halfway) if halfway > ROUNDING else None
    return WindowFigures(
        size=len(w),
        width_3db=_twice(lobe.half_power),
        width_6db=_twice(lobe.half_amplitude),
        width_null=_twice(lobe.edge),
        sidelobe_db=sidelobe,
        falloff_db=_falloff(spectrum, places, lobe.peak),
        islr_db=islr,
        enbw=enbw,
        coherent_gain=float(w.mean()),
        scalloping_db=scalloping,
        worst_case_db=None if scalloping is None else scalloping + 10 * math.log10(enbw),
        overlap_75=_overlap(w, 4),
        overlap_50=_overlap(w, 2),
    )


def _checked(values: Any) -> Array:
    plain = values.detach().cpu() if isinstance(values, Tensor) else values
    try:
        given = plain.double().numpy() if isinstance(plain, Tensor) and not plain.is_complex() else np.asarray(plain)
        w = given.astype(np.float64, casting="same_kind" if given.dtype.kind == "c" else "unsafe")
    except (TypeError, ValueError):
        raise InputError(f"values={str(plain)[:60]!r}; allowed: real numbers, (N,)") from None
    if w.ndim != 1 or w.size == 0:
        raise InputError(f"values.shape={w.shape}; allowed: (N,), one or more numbers")
    if not np.isfinite(w).all():
        raise not_finite("values", int(np.count_nonzero(~np.isfinite(w))))
    scale = float(np.abs(w).max())
    if scale == 0 or abs(float((w / scale).sum())) <= ROUNDING * float(np.abs(w / scale).sum()):
        raise InputError("values sum to 0, so there is no main lobe at frequency 0; allowed: a sum other than 0")
    return w


def _decibels(ratio: float) -> float:
    return 20 * math.log10(ratio)


def _twice(half: float | None) -> float | None:
    return None if half is None else 2 * half


def _falloff(spectrum: Spectrum, places: Any, peak: float) -> int | None:
    """The slope of the side lobes, or where there are none there, of the falling spectrum itself."""
    low, high = (spectrum.size * f / spectrum.step for f in OCTAVES)
    if (high - low) * spectrum.step < 3 * LOBES:
        return None
    there = places[(places >= low) & (places <= high)]
    if len(there) < LOBES:
        there = np.unique(np.geomspace(low, high, 64).astype(int))
    there = there[spectrum.grid[there] > ROUNDING * peak]
    if len(there) < LOBES:
        return None
    slope = np.polyfit(np.log2(there), 20 * np.log10(spectrum.grid[there]), 1)[0]
    return 6 * round(slope / 6)


def _overlap(w: Array, parts: int) -> float | None:
    """The correlation of two transforms that are N / parts samples apart, in per cent."""
    if len(w) % parts:
        return None
    shift = len(w) // parts
    return 100 * float(w[: len(w) - shift] @ w[shift:]) / float(w @ w)
