"""Two networks side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from windowconv import plots
from windowconv.inspection.measure import Inspection
from windowconv.inspection.summary_text import pair_curves
from windowconv.report import Column, Figure, Section, Table, Text
from windowconv.spectra.curve import sign_changes
from windowconv.spectra.network import LayerLeakage
from windowconv.tables import by_sign


def comparison(inspection: Inspection, other: Inspection) -> Section:
    """Layers of one name in both."""
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
        columns += [Column(f"L({r})", ".3f", numeric=True), Column("other's", ".3f", numeric=True)]
        columns += [Column("difference", "+.3f", numeric=True)]
    blocks: list[Any] = [Text(difference(inspection, other))]
    if rows:
        note = "Single kernels' leakage; only layers of the same name in both."
        blocks.append(Table("Layers of the same name", columns, rows, note, sortable=True))
    figure = plots.curves_by_size(
        {each.subject.name: pair_curves(each.leakage.layers) for each in (inspection, other)},
        inspection.leakage.radii,
    )
    blocks.append(Figure(plots.svg(figure), "Leakage curves of both, layer by layer.", "Leakage curves of both"))
    return Section("The two compared", blocks)


def _kind(layer: LayerLeakage) -> str:
    return by_sign(layer.kernel) + ("" if layer.window in (None, "boxcar") else f" {layer.window}")


def difference(inspection: Inspection, other: Inspection) -> str:
    """Where the mean curves of the two cross."""
    radii = np.array(inspection.leakage.radii)
    mine, its = (pair_curves(each.leakage.layers).mean(0) for each in (inspection, other))
    names = inspection.subject.name, other.subject.name
    gap = mine - its
    turns = sign_changes(radii.tolist(), gap.tolist())
    at = {label: gap[list(radii).index(value)] for label, value in (("1/8", 1 / 8), ("1/4", 1 / 4))}
    text = f"Mean over layers of single kernels' leakage, {names[0]} less {names[1]}: "
    points = {label: f"{100 * value:+.1f}".replace("-", "−") for label, value in at.items()}
    text += ", ".join(f"{value} points beyond {label} cycles/pixel" for label, value in points.items()) + ". "
    if np.abs(gap).max() < 1e-3:
        text += "They do not differ. "
    elif turns:
        where = ", ".join(f"{turn:.2f}" for turn in turns)
        text += f"The sign changes at r of about {where} cycles/pixel. "
    else:
        text += "The sign is the same at every r above 0. "
    if inspection.shift is not None and other.shift is not None:
        text += f"Shift consistency {inspection.shift.share:.1%} against {other.shift.share:.1%}. "
    return text
