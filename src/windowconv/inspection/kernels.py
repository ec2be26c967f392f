"""The section of a page on what is inside a network's kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from windowconv import plots
from windowconv.inspection.measure import Inspection
from windowconv.inspection.page_colours import page_colours
from windowconv.inspection.summary_text import by_size
from windowconv.report import Column, Figure, Section, Table
from windowconv.spectra.shape_table import COLUMNS, DETAILS, LEGEND
from windowconv.tables import by_sign

MOST_SIZES = 7  # of kernels in one picture: one colour each


def inside_the_kernels(both: Sequence[Inspection]) -> Section:
    """Which taps layers use, and what they leak beside their own main lobes."""
    blocks, colours = [_table(each) for each in both], page_colours(both)
    return Section("Inside the kernels", [*blocks, *(figure for each in both for figure in _profiles(each, colours))])


def _table(inspection: Inspection) -> Table:
    columns: list[str | Column] = ["layer", "kernel", "window"]
    columns += [Column(title, form, True, detail=key in DETAILS) for key, (title, form) in COLUMNS.items()]
    rows = []
    for layer in inspection.leakage.layers:
        figures = layer.shape.figures()
        named = [layer.name or "(the model)", by_sign(layer.kernel), layer.window or "none"]
        rows.append([*named, *(figures[key] for key in COLUMNS)])
    return Table(f"{inspection.subject.name}: inside the kernels", columns, rows, LEGEND, sortable=True)


def _profiles(inspection: Inspection, colours: Mapping[str, str]) -> list[Figure]:
    """The envelopes, by kernel size and window; the mean over layers in energy, each relative to its largest tap."""
    profiles: dict[str, np.ndarray] = {}
    windows: dict[str, np.ndarray] = {}
    for size, layers in list(by_size(inspection.leakage.layers).items())[:MOST_SIZES]:
        alive = [layer for layer in layers if len(layer.kernel) == 2 and bool(layer.shape.profile.any())]
        if not alive:
            continue
        profiles[size] = _mean([np.asarray(layer.shape.profile) for layer in alive])
        held = [np.asarray(layer.shape.window) for layer in alive if layer.shape.window is not None]
        if held:
            windows[size] = _mean(held)
    if not profiles:
        return []
    caption = (
        f"{inspection.subject.name}: root mean square of the kernels, tap by tap, relative to the largest; the mean "
        "over layers, by kernel size."
    )
    drawn = plots.kernel_profiles(profiles, windows, colours)
    return [Figure(plots.svg(drawn), caption, "Envelopes of kernels by size")]


def _mean(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.sqrt(np.mean([np.square(array / array.max()) for array in arrays], axis=0))
