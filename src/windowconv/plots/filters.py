"""Figures of kernels, each beside its frequency response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from windowconv.errors import InputError

from .checks import Array, Numbers, finite
from .colours import PALETTE
from .style import GREY, panels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FLOOR = -40.0  # dB, of the kernels' responses


@styled()
def kernels(weight: Numbers, window: Numbers | None = None, count: int = 8, title: str | None = None) -> Figure:
    """The strongest kernels of a layer, and their frequency responses, before and after the window.

    `weight` (out, in, kh, kw) is the raw weight and `window` (kh, kw) what it is multiplied with, or None.
    One column for each of the `count` filters of most energy, showing its input channel of most energy; rows:
    the kernel and |its Fourier transform| in dB of its own peak, raw and, with a window, windowed. An
    `InputError` names what is not finite or of another shape.
    """
    raw = finite(weight, "weight", None, None, None, None)
    if count < 1:
        raise InputError(f"count={count}; allowed: 1 or more")
    taps = {"raw": np.ones(raw.shape[2:])}
    if window is not None:
        taps["windowed"] = finite(window, "window", *raw.shape[2:])
    chosen = _strongest(raw, count)
    half = len(taps)
    figure, grid = panels(max(1.0 * len(chosen) + 1.4, 5), 2.1 * half + 0.8, 2 * half, len(chosen))
    largest = max(np.abs(raw[f, c]).max() * tap.max() for f, c in chosen for tap in taps.values()) or 1.0
    kernel_image: Any = None
    response_image: Any = None
    for row, (name, tap) in enumerate(taps.items()):
        for axes, below, (f, c) in zip(grid[row], grid[half + row], chosen, strict=True):
            kernel_image = axes.imshow(raw[f, c] * tap, cmap="RdBu_r", vmin=-largest, vmax=largest)
            response_image = show_response(below, raw[f, c] * tap)
        grid[row, 0].set_ylabel(f"{name}\n(pixels)")
        grid[half + row, 0].set_ylabel(f"{name}\n(cycles/pixel)")
    for axes, (f, c) in zip(grid[0], chosen, strict=True):
        axes.set_title(f"filter {f}\ninput {c}")
    _ticks(grid[:half], [0, raw.shape[3] - 1], [0, raw.shape[2] - 1])
    _ticks(grid[half:], [-0.25, 0.25], [-0.25, 0, 0.25])
    figure.colorbar(kernel_image, ax=grid[:half].ravel().tolist(), label="weight")
    figure.colorbar(response_image, ax=grid[half:].ravel().tolist(), label="dB of own peak")
    figure.suptitle(title or "")
    return figure


@styled()
def kernel_responses(kernels: Numbers, labels: Sequence[str], rate: float | None = None) -> Figure:
    """Kernels of one axis side by side: their taps, and |their Fourier transform| in dB of its peak.

    `kernels` (n, k) are single kernels and `labels` (n,) what stands above each. Frequencies are in cycles/sample, or
    in Hz with `rate`, in samples per second. An `InputError` names what is not finite or of another shape.
    """
    taps = finite(kernels, "kernels", len(labels), None)
    scale, unit = (1.0, "cycles/sample") if rate is None else (float(rate), "Hz")
    figure, grid = panels(max(1.7 * len(taps) + 0.8, 5), 3.4, 2, len(taps))
    size = max(512, 4 * taps.shape[1])
    for above, below, kernel, label in zip(grid[0], grid[1], taps, labels, strict=True):
        above.plot(kernel, color=PALETTE[0], linewidth=1)
        above.axhline(0, color=GREY, linewidth=0.6)
        above.set_title(label)
        above.set(xlabel="tap", yticks=[])
        response = decibels(np.abs(np.fft.rfft(kernel, size)), FLOOR)
        below.plot(scale * np.fft.rfftfreq(size), response, color=PALETTE[0], linewidth=1)
        below.set(xlim=(0, scale / 2), ylim=(FLOOR, 2), xlabel=unit)
        below.locator_params(axis="x", nbins=3)
        below.grid(axis="y")
        below.tick_params(labelleft=below is grid[1, 0])
    grid[0, 0].set_ylabel("weight")
    grid[1, 0].set_ylabel("dB of own peak")
    return figure


def _strongest(weight: Array, count: int) -> list[tuple[int, int]]:
    """(filter, input channel) of the `count` filters of most energy, each at its channel of most energy."""
    energy = np.square(weight).sum(axis=(2, 3))
    filters = np.argsort(-energy.sum(axis=1), kind="stable")[:count]
    return [(int(f), int(energy[f].argmax())) for f in filters]


def decibels(spectrum: Array, floor: float) -> Array:
    """20 log10 |spectrum / its peak|, not below `floor`; `floor` throughout if the spectrum is zero."""
    peak = spectrum.max()
    return 20 * np.log10(np.maximum(spectrum / (peak or 1.0), 10 ** (floor / 20)))


def show_response(axes: Axes, kernel: Array) -> Any:
    """Draw |the kernel's Fourier transform| in dB of its peak, -1/2 to 1/2 cycles/pixel; returns the image."""
    size = max(64, 2 * max(kernel.shape))  # even, so that zero frequency has a cell
    spectrum = np.fft.fftshift(np.abs(np.fft.fft2(kernel, s=(size, size))))
    # Cells are centred on their frequencies: -1/2, ..., 1/2 - 1/size.
    low, high = -0.5 - 0.5 / size, 0.5 - 0.5 / size
    extent = (low, high, high, low)
    return axes.imshow(decibels(spectrum, FLOOR), cmap="magma", vmin=FLOOR, vmax=0, extent=extent)


def _ticks(grid: np.ndarray[Any, Any], x: list[float], y: list[float]) -> None:
    """Ticks at x and y, with numbers only along the left and the lower edge of the block of axes."""
    for axes in grid.flat:
        axes.set_xticks(x, [f"{at:g}".replace("-", "−") for at in x])
        axes.set_yticks(y, [f"{at:g}".replace("-", "−") for at in y])
        axes.label_outer()
        axes.tick_params(length=2)
        axes.spines[:].set_visible(False)
    for axes in grid[-1]:
        axes.tick_params(labelbottom=True)
