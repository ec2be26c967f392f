"""What a window does to a flat kernel of a given size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from windowconv.spectra.curve import leakage_curve
from windowconv.spectra.frequency_axis import FrequencyAxis
from windowconv.windows import Window, advice, window_values

RADII = {"1/8": 1 / 8, "1/4": 1 / 4}  # cycles per sample
SQUARE = FrequencyAxis(2)


@dataclass(frozen=True)
class AtSize:
    """A window on a flat kernel, equally long on all axes.

    Attributes:
        label: the window's name.
        effective: effective taps per axis, (sum w)^2 / sum w^2.
        dead: taps of the whole kernel that are zero.
        ends: whether the first and last tap of an axis are zero.
        leakage: L(1/8) and L(1/4) of the windowed flat kernel, in [0, 1].
        problem: what `windowconv.windows.advice` holds against the window at this size; None if nothing.
    """

    label: str
    effective: float
    dead: int
    ends: bool
    leakage: tuple[float, ...]
    problem: str | None


def at_size(window: Window, label: str, size: int, dims: int = 2) -> AtSize:
    """What the window does to a flat kernel of `size` taps on each of `dims` axes."""
    values = np.abs(window_values(window, (size,) * dims))
    row = window_values(window, (size,))
    curve = leakage_curve(torch.tensor(values)[None, None], list(RADII.values()))
    return AtSize(
        label,
        float(row.sum() ** 2 / (row**2).sum()),
        int((values <= 1e-6 * values.max()).sum()),
        bool(np.abs(row[[0, -1]]).max() <= 1e-6 * np.abs(row).max()),
        tuple(float(value) for value in curve.leakage[0]),
        advice(window, (size,) * dims),
    )


def recommendations(windows: list[AtSize], size: int, axis: FrequencyAxis = SQUARE) -> list[str]:
    """Which windows to use at this size and which to avoid, each with its numbers."""
    lines = [_avoid(window, size, axis.dims) for window in windows if window.problem is not None]
    sound = [window for window in windows if window.problem is None]
    flat = next((window for window in sound if window.effective > size - 1e-9), None)
    tapered = [window for window in sound if window is not flat]
    for index, r in enumerate(RADII if tapered else ()):
        best = min(tapered, key=lambda window: window.leakage[index])
        if flat is not None and flat.leakage[index] <= best.leakage[index]:
            lines.append(
                f"Beyond r = {axis.text(r)}, no taper helps a flat kernel of this size: L is {flat.leakage[index]:.3f} "
                f"for {flat.label} and at least {best.leakage[index]:.3f} ({best.label}) for the others."
            )
        else:
            against = "" if flat is None else f" ({flat.label}: {share_text(flat.leakage[index])})"
            lines.append(
                f"Beyond r = {axis.text(r)}, {best.label} leaks least of the remaining windows: L = "
                f"{share_text(best.leakage[index])}{against}, with {best.effective:.1f} of {size} effective "
                f"{taps(axis.dims)}."
            )
    return lines


def _avoid(window: AtSize, size: int, dims: int) -> str:
    """What is wrong with a window, and what to use instead."""
    dead = f"{window.dead} of {size**dims} taps are dead; " if window.dead else ""
    if "closes" in (window.problem or ""):
        instead = "a larger kernel or a wider window"
    elif window.ends:
        instead = "hamming, or this window two taps longer without its end taps"
    else:
        instead = "hamming"
    return f"Avoid {window.label}: {dead}only {window.effective:.1f} of {size} effective {taps(dims)}. Use {instead}."


def taps(dims: int) -> str:
    """How effective taps are counted."""
    return "taps" if dims == 1 else "taps per axis"


def share_format(value: float) -> str:
    """How a share of energy is written: four decimals, or the power of ten of what they do not show."""
    return ".4f" if value == 0 or value >= 5e-4 else ".1e"


def share_text(value: float) -> str:
    """A share of energy as it is written."""
    return format(value, share_format(value))
