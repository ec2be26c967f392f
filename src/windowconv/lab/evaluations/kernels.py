"""What is inside a network's kernels: the taps that they use, and what they leak beside their own main lobes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypedDict

import numpy as np

from windowconv import plots
from windowconv.errors import InputError
from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Colours, Evaluation, Measurement, Metric, Runs
from windowconv.lab.schema import Grid
from windowconv.report import Cell, Column, Figure, Section, Table
from windowconv.spectra.filters import convolutions, layer_filters
from windowconv.spectra.layer_shape import KernelShape, kernel_shape
from windowconv.spectra.network import PAIRS
from windowconv.spectra.shape_table import COLUMNS, DETAILS, LEGEND

SHARES = {"edge", "own_leakage", "own_disc", "outside_lobe", "lobe_area"} | {key for key in COLUMNS if "noise" in key}
CURVES = "The mean over layers with the largest kernels, then over the seeds."


class KernelRecord(TypedDict):
    """A layer: its envelope and its window, tap by tap; and its numbers, see `KernelShape`."""

    profile: Grid
    window: Grid | None
    central: dict[str, float]


class KernelsValues(TypedDict):
    """Means over layers, see `COLUMNS`, and the layers."""

    layers: dict[str, KernelRecord]


class Kernels(Evaluation):
    """Which taps trained kernels use, their envelope, and their leakage beside their own main lobes.

    Numbers of layers, and their means over the layers of more than one tap that are not dead throughout. Source:
    `spectra.kernel_shape`.
    """

    name = "kernels"
    metrics = (
        Metric("kernel-side", "95 % side (taps)", "side", "taps", 1.0),
        Metric("kernel-taps", "taps in use", "participation", "taps", 1.0),
        Metric("edge-energy", "edge energy (%)", "edge"),
        Metric("own-leakage", "own L (%)", "own_leakage", more_is_better=False),
        Metric("outside-lobe", "outside own lobe (%)", "outside_lobe", more_is_better=False),
    )
    settings = MappingProxyType({"kernels": PAIRS})
    types = (KernelsValues, TypedDict("Means", dict.fromkeys(COLUMNS, float | None)))  # pyright: ignore[reportArgumentType]
    needs_images = False

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        layers = {name: layer_filters(name, layer) for name, layer in convolutions(network.on("cpu")).items()}
        shapes = {
            name: kernel_shape(layer.weight, layer.window_values, self.settings["kernels"])
            for name, layer in layers.items()
            if max(layer.kernel) > 1
        }
        alive = {name: shape for name, shape in shapes.items() if shape.side is not None}
        if not alive:
            raise InputError("all filters are dead; there are no kernels to measure")
        figures = [shape.figures() for shape in alive.values()]
        means = {key: _mean([each[key] for each in figures]) for key in figures[0]}
        return Measurement({**means, "layers": {name: _recorded(shape) for name, shape in shapes.items()}})

    def sections(self, runs: Runs, colours: Colours = None, images: Images | None = None) -> list[Section]:
        found = {name: [self.values(run) or {} for run in held] for name, held in runs.items()}
        profiles = {name: _profile(held, "profile") for name, held in found.items()}
        windows = {name: _profile(held, "window") for name, held in found.items()}
        held = {name: window for name, window in windows.items() if window is not None}
        blocks: list[Any] = [_table(found)]
        drawn = {name: profile for name, profile in profiles.items() if profile is not None}
        if drawn:
            figure = plots.kernel_profiles(drawn, held, colours)
            caption = f"Root mean square of the kernels, tap by tap, relative to the largest. {CURVES}"
            blocks.append(Figure(plots.svg(figure), caption, "Envelopes of the kernels of each variant"))
        return [Section("Inside the kernels", blocks)]

    def note(self, values: Mapping[str, Any]) -> str:
        return (
            "The 95 % side is of the smallest central square with 95 % of a layer's energy, in taps; edge energy lies "
            "in the outermost taps. Own L is the share of a kernel's spectral energy farther from its peaks than its "
            "own bandwidth. Its own lobe is what climbs to its spectral peak; a wide lobe leaves little outside, so "
            "read it beside the lobe's area."
        )


def _recorded(shape: KernelShape) -> dict[str, Any]:
    """A layer's numbers and its envelope, six digits of it, for the record."""
    return {
        **shape.figures(),
        "central": {str(side): share for side, share in shape.central.items()},
        "profile": _rounded(shape.profile.tolist()),
        "window": None if shape.window is None else _rounded(shape.window.tolist()),
    }


def _rounded(values: Any) -> Any:
    return [_rounded(each) for each in values] if isinstance(values, list) else float(f"{values:.6g}")


def _mean(values: Sequence[float | None]) -> float | None:
    held = [value for value in values if value is not None]
    return sum(held) / len(held) if held else None


def _profile(runs: Sequence[Mapping[str, Any]], key: str) -> np.ndarray | None:
    """The mean over runs of the layers' profiles or windows of the largest size, each relative to its largest tap."""
    arrays = [
        np.array(layer[key])
        for values in runs
        for layer in values["layers"].values()
        if layer[key] is not None and np.any(layer["profile"])
    ]
    if not arrays:
        return None
    largest = max((array.shape for array in arrays), key=np.prod)
    relative = [np.square(array / array.max()) for array in arrays if array.shape == largest]
    return np.sqrt(np.mean(relative, axis=0))


def _table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    """The means over layers and seeds, a row for each variant."""
    columns: list[str | Column] = ["variant", "seeds"]
    for key, (title, form) in COLUMNS.items():
        name, written = (f"{title} (%)", ".1f") if key in SHARES else (title, form)
        columns.append(Column(name, written, numeric=True, detail=key in DETAILS))
    rows: list[list[Cell]] = []
    for name, runs in found.items():
        means = {key: _mean([values[key] for values in runs]) for key in COLUMNS}
        cells = [None if m is None else 100 * m if key in SHARES else m for key, m in means.items()]
        rows.append([name, len(runs), *cells])
    return Table("Kernels: means over layers, then over the seeds", columns, rows, LEGEND)
