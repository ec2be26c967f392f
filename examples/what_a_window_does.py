"""What a window does to one filter: the README's picture.

An ideal filter that selects one frequency and orientation is an endless grating. A kernel cuts it off: at 3x3, at
7x7, or at 7x7 softly, by a Hamming window. The picture shows the three kernels, their frequency responses, and how
much of their spectral energy lies farther than r from the frequency that they should select.

    python examples/what_a_window_does.py [FOLDER]
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from windowconv import get_window, plots
from windowconv.plots.style import styled
from windowconv.spectra import leakage_curve, power_spectrum

FREQUENCY = 0.25  # cycles/pixel, along the horizontal axis


def grating(size: int) -> Tensor:
    """The ideal filter cut off at size x size."""
    x = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    return torch.cos(2 * math.pi * FREQUENCY * x).expand(1, 1, size, size)


def kernels() -> dict[str, Tensor]:
    """The three ways to cut it off."""
    hamming = get_window("hamming", (7, 7), dtype=torch.float64)
    return {"3x3": grating(3), "7x7": grating(7), "7x7-hamming": grating(7) * hamming}


def picture() -> Figure:
    """Kernels above their responses, and the leakage curves beside."""
    colours = plots.arm_colours(kernels())
    with styled():
        figure = Figure(figsize=(9.6, 4.0), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=(1.5, 1), squeeze=False)[0]
        grid = left.subplots(2, 3, squeeze=False)
        for (name, kernel), (above, below) in zip(kernels().items(), grid.T, strict=True):
            above.imshow(kernel[0, 0].numpy(), cmap="RdBu_r", vmin=-1, vmax=1)
            above.set_title(name, color=colours[name], fontweight="bold")
            above.set(xticks=[], yticks=[])
            power = power_spectrum(kernel)[0]
            level = 10 * torch.log10(torch.fft.fftshift(power / power.max()).clamp(min=1e-4))
            below.imshow(level.numpy(), cmap="magma", vmin=-40, vmax=0, extent=(-0.5, 0.5, 0.5, -0.5))
            below.set(xticks=[-0.5, 0, 0.5], yticks=[-0.5, 0, 0.5], xlabel="cycles/pixel")
        left.colorbar(ScalarMappable(Normalize(-40, 0), "magma"), ax=grid[1], shrink=0.8, label="response (dB)")
        left.colorbar(ScalarMappable(Normalize(-1, 1), "RdBu_r"), ax=grid[0], shrink=0.8, label="weight")
        axes = right.subplots()
        for name, kernel in kernels().items():
            curve = leakage_curve(kernel)
            axes.plot(curve.radii.numpy(), 100 * curve.leakage[0].numpy(), color=colours[name], label=name, linewidth=2)
        axes.set(xlabel="r (cycles/pixel)", xlim=(0, 0.5), ylim=(0, 100))
        axes.set_title("energy farther than r from the peak (%)")
        axes.legend()
        axes.grid(visible=True)
    return figure


def main() -> None:
    """Write the picture and print its figures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    plots.png(picture(), folder / "what-a-window-does.png", dpi=160)
    for name, kernel in kernels().items():
        curve = leakage_curve(kernel)
        figures = ", ".join(f"{100 * float(curve.at(r)):.1f} % beyond {r}" for r in (1 / 8, 1 / 4))
        print(f"{name:12s} {figures}")


if __name__ == "__main__":
    main()
