"""The trap in measuring leakage: energy outside the main lobe, against L(r). A picture of docs/leakage.md.

A main lobe is as wide as the kernel is small and as its window is tapered. So "energy outside the main lobe" calls a
flat 3x3 kernel cleaner than a flat 7x7 one, and a 3x3 Hamming kernel, whose lobe has no end, perfect. L(r) asks the
same radius of all of them.

    python examples/leakage_trap.py [FOLDER]
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from windowconv import WindowWarning, get_window, plots
from windowconv.plots.colours import PALETTE
from windowconv.plots.style import GREY, styled
from windowconv.spectra import leakage_curve, window_figures

KERNELS = {
    "flat 3x3": ("boxcar", 3),
    "flat 7x7": ("boxcar", 7),
    "Hamming 3x3": ("hamming", 3),
    "Hamming 7x7": ("hamming", 7),
}


def taps(name: str) -> Tensor:
    """One axis of a kernel."""
    window, size = KERNELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WindowWarning)  # that it suits no kernel of 3 taps is the point
        return get_window(window, size, dtype=torch.float64)


def outside_the_lobe(name: str) -> float:
    """The share of the energy of the square kernel outside the square of its main lobe, null to null."""
    ratio = window_figures(taps(name)).islr_db
    if ratio is None:  # the main lobe has no end
        return 0.0
    inside = 1 / (1 + 10 ** (ratio / 10))
    return 1 - inside**2


def beyond(name: str, r: float) -> float:
    """L(r) of the square kernel."""
    row = taps(name)
    return float(leakage_curve(torch.outer(row, row)[None, None]).at(r))


def picture() -> Figure:
    """Spectra with their main lobes, and both measures side by side."""
    with styled():
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
        for colour, name in zip(PALETTE, KERNELS, strict=False):
            row = taps(name).numpy()
            frequency = np.linspace(0, 0.5, 1001)
            spectrum = np.abs(np.exp(-2j * np.pi * np.outer(frequency, np.arange(len(row)))) @ row) / row.sum()
            left.plot(frequency, 20 * np.log10(np.maximum(spectrum, 1e-4)), color=colour, label=name, linewidth=1.8)
            width = window_figures(row).width_null
            end = 0.5 if width is None else min(0.5, width / 2 / len(row))
            left.plot([end], [-58], marker="|", markersize=12, markeredgewidth=2.5, color=colour, clip_on=False)
        left.set(xlabel="frequency (cycles/pixel)", ylabel="spectrum along an axis (dB)", ylim=(-60, 2), xlim=(0, 0.5))
        left.set_title("bars: where each main lobe ends")
        left.legend(loc="lower left", bbox_to_anchor=(0.0, 0.08))
        left.grid(axis="y")
        for offset, (label, measure) in zip((-0.2, 0.2), measures().items(), strict=True):
            place = np.arange(len(KERNELS)) + offset
            bars = right.barh(place, [100 * v for v in measure.values()], 0.38, color=(GREY, PALETTE[0])[offset > 0])
            right.bar_label(bars, fmt="%.0f", padding=2)
            bars.set_label(label)
        right.set_yticks(range(len(KERNELS)), list(KERNELS))
        right.invert_yaxis()
        right.set(xlabel="share of the energy (%)", xlim=(0, 108))
        right.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0))
    return figure


def measures() -> dict[str, dict[str, float]]:
    """The two measures of each kernel."""
    return {
        "outside the main lobe": {name: outside_the_lobe(name) for name in KERNELS},
        "farther than 1/8 cycles/pixel": {name: beyond(name, 1 / 8) for name in KERNELS},
    }


def main() -> None:
    """Write the picture and print its figures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    plots.png(picture(), folder / "leakage-trap.png", dpi=160)
    for name in KERNELS:
        print(f"{name:12s}", ", ".join(f"{label}: {values[name]:.3f}" for label, values in measures().items()))


if __name__ == "__main__":
    main()
