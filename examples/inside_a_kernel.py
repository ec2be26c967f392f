"""What is inside a windowed kernel: the pictures and tables of docs/inside-a-kernel.md.

From the trained networks that come with the package: how large their taps are, beside the window and its square; what
their kernels leak beside their own main lobes; and, with a page to fill, how accurate they are when only the central
taps are kept, which takes the test images and some minutes.

    python examples/inside_a_kernel.py [FOLDER [PAGE]]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from windowconv import plots
from windowconv.files import replace_file
from windowconv.lab import load_pretrained
from windowconv.lab.config import Execution
from windowconv.lab.data import load
from windowconv.lab.evaluations.cropping import accuracies_when_cropped
from windowconv.plots.style import styled
from windowconv.spectra import KernelShape, kernel_shape, own_lobe, power_spectrum
from windowconv.spectra.filters import convolutions, filters_of, layer_filters, sampled
from windowconv.spectra.kernel_lobes import main_lobe
from windowconv.spectra.shape_table import COLUMNS

DATA = {"fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
ARMS = ("3x3", "7x7", "7x7-hamming")
SIDES = (1, 3, 5, 7)
SHOWN = "6"  # the layer whose kernels are drawn

Table = list[list[str]]


@cache
def network(data: str, arm: str) -> nn.Module:
    """A trained network."""
    return load_pretrained(f"{data}-{arm}")


@cache
def shapes(data: str, arm: str) -> tuple[KernelShape, ...]:
    """Its layers' kernels."""
    layers = [layer_filters(name, layer) for name, layer in convolutions(network(data, arm)).items()]
    return tuple(kernel_shape(la.weight, la.window_values, 512) for la in layers if max(la.kernel) > 1)


def envelopes(data: str) -> Figure:
    """The root mean square of kernels by distance from their middle, mean over layers."""
    profiles, windows = {}, {}
    for arm in ARMS:
        profiles[arm] = _mean([shape.profile for shape in shapes(data, arm)])
        if held := [shape.window for shape in shapes(data, arm) if shape.window is not None]:
            windows[arm] = _mean(held)
    return plots.kernel_profiles(profiles, windows)


def _mean(arrays: list[Tensor]) -> Tensor:
    return torch.stack([(array / array.max()).square() for array in arrays]).mean(0).sqrt()


def lobes(data: str) -> Figure:
    """A kernel of each arm, the one whose energy outside its own lobe is the median, above its spectrum."""
    colours = plots.arm_colours(ARMS)
    with styled():
        figure = Figure(figsize=(8.0, 5.0), layout="constrained")
        grid = figure.subplots(2, len(ARMS), squeeze=False)
        for arm, (above, below) in zip(ARMS, grid.T, strict=True):
            kernels = sampled(filters_of(SHOWN, convolutions(network(data, arm))[SHOWN]), 512)
            outside = own_lobe(kernels).outside
            chosen = kernels[outside.argsort()[len(outside) // 2]]
            largest = float(chosen.abs().max())
            above.imshow(chosen[0].numpy(), cmap="RdBu_r", vmin=-largest, vmax=largest)
            above.set(xticks=[], yticks=[])
            above.set_title(arm, color=colours[arm], fontweight="bold")
            draw_lobe(below, chosen)
    return figure


def draw_lobe(axes: Axes, kernel: Tensor, grid: int = 256) -> None:
    """A kernel's energy spectrum in dB, with the outlines of its main lobes at +f and -f."""
    power = power_spectrum(kernel[None], grid)
    found = own_lobe(kernel[None], grid=grid)
    lobe = main_lobe(power)[0]
    both = [torch.fft.fftshift(each).double().numpy() for each in (lobe, lobe.flip(0, 1).roll((1, 1), (0, 1)))]
    level = 10 * torch.log10(torch.fft.fftshift(power[0] / power.max()).clamp(min=1e-4))
    axes.imshow(level.numpy(), cmap="magma", vmin=-40, vmax=0, extent=(-0.5, 0.5, 0.5, -0.5))
    at = np.linspace(-0.5, 0.5, grid, endpoint=False)
    for each in both:
        if each.min() < each.max():  # else it covers every frequency
            axes.contour(at, at, each, levels=[0.5], colors="white", linewidths=1.3)
    axes.set(xticks=[-0.5, 0, 0.5], yticks=[-0.5, 0, 0.5], xlabel="cycles/pixel")
    axes.set_title(f"{100 * float(found.outside):.0f} % outside, lobes cover {100 * float(found.area):.0f} %")


def figure(data: str, arm: str, name: str) -> float:
    """A number of the kernels' shape, mean over layers."""
    return float(np.mean([value for shape in shapes(data, arm) if (value := shape.figures()[name]) is not None]))


def central() -> Table:
    """The share of energy in central squares."""
    squares = [f"{side}x{side}" for side in SIDES]
    rows = [["data", "kernels", *squares, "95 % within", "taps in use", "at the edge", "window's power"]]
    for data, title in DATA.items():
        for arm in ARMS:
            found = shapes(data, arm)
            shares = [[shape.central[side] for shape in found if side in shape.central] for side in SIDES]
            sides = sorted({f"{shape.side:.0f}" for shape in found})
            powers = [shape.window_power for shape in found if shape.window_power is not None]
            cells = [_percent(np.mean(held)) if held else "" for held in shares]
            cells += [" or ".join(sides), f"{figure(data, arm, 'participation'):.1f}"]
            cells += [_percent(figure(data, arm, "edge")), f"{np.mean(powers):.2f}" if powers else ""]
            rows.append([title, arm, *cells])
    return rows


def beside_own_lobes() -> Table:
    """Leakage beside the own main lobes, and of noise of the same envelope."""
    keys = ("own_leakage", "own_disc", "outside_lobe", "lobe_area", "noise_own_leakage", "noise_outside_lobe")
    head = ["data", "kernels", *(COLUMNS[key][0] for key in keys)]
    pairs = [(data, arm) for data in DATA for arm in ARMS]
    return [head, *([DATA[data], arm, *(_percent(figure(data, arm, key)) for key in keys)] for data, arm in pairs)]


def cropped(data: str) -> dict[str, dict[int, float]]:
    """The accuracy of each arm on all test images after cropping, in percent, by the side of what is kept."""
    images = load(data).test
    found = {}
    for arm in ARMS:
        sides = range(1, 1 + shapes(data, arm)[0].profile.shape[0], 2)
        accuracies = accuracies_when_cropped(network(data, arm), images, sides, Execution())
        found[arm] = {side: 100 * accuracy for side, accuracy in accuracies.items()}
    return found


def accuracy_when_cropped(found: Mapping[str, Mapping[str, Mapping[int, float]]]) -> Table:
    """Accuracies by what is kept of the kernels."""
    rows = [["data", "kernels", *(f"{side}x{side}" for side in SIDES)]]
    for data, arms in found.items():
        for arm, accuracies in arms.items():
            rows.append([DATA[data], arm, *(f"{accuracies[k]:.2f}" if k in accuracies else "" for k in SIDES)])
    return rows


def _percent(share: float | np.floating) -> str:
    return f"{100 * share:.1f}"


def markdown(table: Table) -> str:
    """A table as Markdown."""
    head, *rows = table
    lines = [head, ["---", "---", *["--:"] * (len(head) - 2)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def fill(page: str, name: str, table: Table) -> str:
    """The page with a table between the marks of its name."""
    begin, end = f"<!-- {name}: generated by examples/inside_a_kernel.py -->", f"<!-- end of {name} -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"the page has no marks {begin} and {end}")
    return f"{before}{begin}\n{markdown(table)}\n{end}{after}"


def main() -> None:
    """Write the pictures, print the tables and fill the page."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    drawn: dict[str, Callable[[str], Figure]] = {"envelopes": envelopes, "lobes": lobes}
    for data in DATA:
        for name, draw in drawn.items():
            plots.png(draw(data), folder / f"inside-{name}-{data}.png", dpi=160)
    tables = {"central": central(), "lobes": beside_own_lobes()}
    if len(sys.argv) > 2:
        accuracies = {data: cropped(data) for data in DATA}
        tables["cropping"] = accuracy_when_cropped(accuracies)
        for data, arms in accuracies.items():
            curves = plots.accuracy_by_kernel_size({arm: [found] for arm, found in arms.items()})
            plots.png(curves, folder / f"inside-cropping-{data}.png", dpi=160)
        page = Path(sys.argv[2])
        text = page.read_text()
        for name, table in tables.items():
            text = fill(text, name, table)
        replace_file(page, text.encode())
    print("\n\n".join(markdown(table) for table in tables.values()))


if __name__ == "__main__":
    main()
