"""Figures of windows: their taps, and their spectra in dB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from windowconv.errors import InputError

from .checks import Array, Numbers, finite, nonempty
from .colours import PALETTE
from .filters import decibels
from .style import GREY, panels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from windowconv.spectra.merit import WindowFigures

WINDOW_FLOOR = -80.0  # dB: a Blackman window's side lobes lie at -58
MANY = 64  # taps: of more, stems would be a block, and so would the lobes of the whole spectrum
LOBES = 16  # that are shown of these, to either side
DEAD = 1e-6  # of the largest value, as in `windowconv.windows.advice`
LOBE, SIDE = PALETTE[1], PALETTE[2]


@styled()
def window_figure(values: Numbers, name: str) -> Figure:
    """A window's taps, and its spectrum beside that of the rectangular window of the same length.

    `values` (N,) are the taps; each spectrum is in dB of its own peak, against cycles/sample. An `InputError`
    names taps that are not a row of finite numbers.
    """
    taps = finite(values, "values", None)
    figure, ((left, right),) = panels(7.2, 3.0, columns=2)
    _show_taps(left, taps)
    left.set(xlabel=f"tap of {len(taps)}", ylabel="value")
    size = max(4096, 8 * len(taps))
    frequency = np.fft.rfftfreq(size)
    for tap, label, line in (
        (np.ones(len(taps)), "rectangular", {"color": GREY, "linestyle": "--", "linewidth": 1}),
        (taps, name, {"color": PALETTE[0], "linewidth": 1.8}),
    ):
        spectrum = np.abs(np.fft.rfft(tap, size))
        right.plot(frequency, decibels(spectrum, WINDOW_FLOOR), label=label, **line)
    right.set(xlabel="frequency (cycles/sample)", ylabel="spectrum (dB of its peak)")
    right.set(xlim=(0, 0.5), ylim=(WINDOW_FLOOR, 3))
    right.grid()
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


@styled()
def windows_figure(
    windows: Mapping[str, Numbers], title: str | None = None, unit: str = "cycles/pixel", scale: float = 1.0
) -> Figure:
    """Several windows of one size: the taps of each, and its spectrum with main lobe and highest side lobe marked.

    `windows` holds, for each label, the taps (N,), the same N for all, since lobes are only comparable within
    one size. Spectra are in dB of their own peaks against frequency, which is in cycles per
    sample times `scale`, as `unit` says, over that of the rectangular window.
    The main lobe's width is marked at half amplitude (-6 dB). An `InputError` names taps that are not a row of
    finite numbers, of another length, or whose sum is 0.
    """
    from windowconv.spectra.merit import window_figures  # needs torch

    size = len(finite(next(iter(nonempty(windows, "windows").values())), "windows", None))
    rows = {label: finite(values, f"windows[{label!r}]", size) for label, values in windows.items()}
    figure, grid = panels(7.2, 0.9 + 1.45 * len(rows), len(rows), 2)
    grid[0, 0].get_gridspec().set_width_ratios((1, 2.2))
    highest = max(1.0, *(taps.max() for taps in rows.values()))
    for (left, right), (label, taps) in zip(grid, rows.items(), strict=True):
        try:
            figures = window_figures(taps)
        except InputError as error:
            raise InputError(f"windows[{label!r}]: {error}") from None
        _show_taps(left, taps)
        left.set_ylim(min(0.0, taps.min() * 1.08), highest * 1.08)
        left.set_ylabel(label)
        right.set_ylabel("dB of peak")
        _show_lobes(right, taps, figures, scale)
    for row in grid[:-1]:
        for axes in row:
            axes.tick_params(labelbottom=False)
    grid[-1, 0].set_xlabel(f"tap of {size}" + (" (dead taps hollow)" if any(map(_has_dead, rows.values())) else ""))
    grid[-1, 1].set_xlabel(f"frequency ({unit})")
    figure.legend(*grid[0, 1].get_legend_handles_labels(), loc="outside upper center", ncols=4, title=title)
    return figure


def _has_dead(taps: Array) -> bool:
    return len(taps) <= MANY and bool((np.abs(taps) <= DEAD * np.abs(taps).max()).any())


def _show_taps(axes: Axes, taps: Array) -> None:
    """Stems, those of dead taps hollow, on an axis that holds zero; a line of many taps."""
    place = np.arange(len(taps))
    if len(taps) > MANY:
        axes.plot(place, taps, color=PALETTE[0])
        axes.set_ylim(min(0.0, taps.min() * 1.08), max(0.0, taps.max() * 1.08))
        return
    stem = axes.stem(place, taps, basefmt=" ")
    for part in (stem.stemlines, stem.markerline):
        part.set_color(PALETTE[0])
    dead = np.abs(taps) <= DEAD * np.abs(taps).max()
    axes.plot(place[dead], taps[dead], "o", color="white", markeredgecolor=PALETTE[0], zorder=3)
    axes.set_ylim(min(0.0, taps.min() * 1.08), max(0.0, taps.max() * 1.08))
    axes.locator_params(axis="x", integer=True)


def _show_lobes(axes: Axes, taps: Array, figures: WindowFigures, scale: float) -> None:
    """The spectrum on both sides of frequency 0, the main lobe's width as an arrow, the side lobe as a line."""
    size = 2 * len(taps) * -(-2048 // len(taps))  # a multiple of the taps, so that nulls are among the frequencies
    frequency = scale * np.fft.fftshift(np.fft.fftfreq(size))
    for values, label, line in (
        (np.ones(len(taps)), "rectangular window", {"color": GREY, "linestyle": "--", "linewidth": 0.8}),
        (taps, "this window", {"color": PALETTE[0], "linewidth": 1.6}),
    ):
        level = decibels(np.fft.fftshift(np.abs(np.fft.fft(values, size))), WINDOW_FLOOR)
        axes.plot(frequency, level, label=label, **line)
    half = None if figures.width_6db is None else scale * figures.width_6db / 2 / len(taps)
    ends = [] if half is None else [-half, half]  # empty lines are in the legend too, which is that of one window
    axes.plot(ends, [-6.02] * len(ends), "|-", color=LOBE, label="main lobe's width", linewidth=1.6, markersize=7)
    words = ["never falls to half its peak" if half is None else f"main lobe {_rounded(2 * half)} wide"]
    side = figures.sidelobe_db
    level = 10.0 if side is None else side  # above the panel
    axes.axhline(level, color=SIDE, label="highest side lobe", linestyle=":", linewidth=1.6)
    words.append("no side lobe" if side is None else f"side lobe {side:.1f} dB".replace("-", "−"))
    axes.set_title(", ".join(words), loc="right", pad=3)
    reach = scale * (0.5 if len(taps) <= MANY else LOBES / len(taps))
    axes.set(xlim=(-reach, reach), ylim=(WINDOW_FLOOR, 3), yticks=[0, -20, -40, -60, -80])
    axes.grid()


def _rounded(width: float) -> str:
    """Two decimals, or three digits where they show too little or too much."""
    return f"{width:.2f}" if 0.1 <= width < 10 else f"{width:,.3g}"
