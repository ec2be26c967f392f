"""Two networks side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from windowconv import plots
from windowconv.inspection.measure import Inspection
from windowconv.inspection.page_colours import page_colours
from windowconv.inspection.summary_text import pair_curves
from windowconv.report import Column, Figure, Section, Table, Text
from windowconv.spectra.curve import sign_changes
from windowconv.spectra.network import LayerLeakage
from windowconv.tables import by_sign


def comparison(inspection: Inspection, other: Inspection) -> Section:
    """The section that compares two networks, layer by layer where names match."""
    theirs = {layer.name: layer for layer in other.leakage.layers}
    rows = []
    for layer in inspection.leakage.layers:
        if (same := theirs.get(layer.name)) is None:
            continue
        cells: list[Any] = [layer.name or "(the model)", _kind(layer), _kind(same)]
        for name in ("pair_leakage_1/8", "pair_leakage_1/4"):
            mine, its = layer.means()[name], same.means()[name]
            cells += [mine, its, None if mine is None or its is None else mine - its]
        rows.append(cells)
    columns: list[str | Column] = ["layer", inspection.subject.name, other.subject.name]
    for r in ("1/8", "1/4"):
        columns += [Column(f"L({r})", ".3f", numeric=True), Column("other", ".3f", numeric=True)]
        columns += [Column("difference", "+.3f", numeric=True)]
    blocks: list[Any] = [Text(difference(inspection, other))]
    if rows:
        note = "Leakage of kernels, for layers with the same name in both networks."
        blocks.append(Table("Layers with the same name", columns, rows, note, sortable=True))
    figure = plots.curves_by_size(
        {each.subject.name: pair_curves(each.leakage.layers) for each in (inspection, other)},
        inspection.leakage.radii,
        colours=page_colours((inspection, other)),
        unit=inspection.unit,
    )
    blocks.append(
        Figure(plots.svg(figure), "Leakage curves of both networks, layer by layer.", "Leakage curves of both networks")
    )
    return Section("Comparison", blocks)


def _kind(layer: LayerLeakage) -> str:
    return by_sign(layer.kernel) + ("" if layer.window in (None, "boxcar") else f" {layer.window}")


def difference(inspection: Inspection, other: Inspection) -> str:
    """How the mean leakage curves of the two networks differ, and where they cross."""
    radii = np.array(inspection.leakage.radii)
    mine, its = (pair_curves(each.leakage.layers).mean(0) for each in (inspection, other))
    names = inspection.subject.name, other.subject.name
    gap = mine - its
    turns = sign_changes(radii.tolist(), gap.tolist())
    at = {label: gap[list(radii).index(value)] for label, value in (("1/8", 1 / 8), ("1/4", 1 / 4))}
    text = f"Kernels' leakage, mean over layers, {names[0]} minus {names[1]}: "
    points = {label: f"{100 * value:+.1f}".replace("-", "−") for label, value in at.items()}
    text += ", ".join(f"{value} points beyond {label} {inspection.unit}" for label, value in points.items()) + ". "
    if np.abs(gap).max() < 1e-3:
        text += "They do not differ. "
    elif turns:
        where = ", ".join(f"{turn:.2f}" for turn in turns)
        text += f"The sign changes near r = {where} {inspection.unit}. "
    else:
        text += "The sign is the same at every r above 0. "
    if inspection.shift is not None and other.shift is not None:
        text += f"Shift consistency: {inspection.shift.share:.1%} versus {other.shift.share:.1%}. "
    return text
