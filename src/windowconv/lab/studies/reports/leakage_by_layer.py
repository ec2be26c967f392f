"""The part of a study's report about leakage by layer, by epoch, and where variants cross."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from windowconv import plots
from windowconv.lab.evaluations.registry import find_evaluation
from windowconv.lab.runs.folder import Run
from windowconv.lab.statistics.paired import spread
from windowconv.lab.studies.folder import StudyFolder
from windowconv.report import Block, Cell, Column, Figure, Section, Table
from windowconv.spectra.curve import RADII, sign_changes
from windowconv.spectra.network import SCALARS

Colours = dict[str, str]
ByLayer = dict[str, np.ndarray]
"""By a layer's name, its leakage at `SCALARS`, (seeds, 2)."""
INTRO = (
    "A filter passes a band around its peak frequencies +f and −f. L(r) is the share of its spectral energy farther "
    "than r (in cycles/pixel) from the nearer of the two, on one frequency grid for all kernel sizes; here of single "
    "kernels, one for each input and output channel. Less is not always better: a window widens the band around the "
    "peak, so L grows at small r, and suppresses what lies far from it, so L falls at large r. Look where curves cross."
)


def leakage_by_layer_section(study: StudyFolder, colours: Colours) -> list[Section]:
    """Leakage of the variants whose runs were all measured, layer by layer; nothing if there are none.

    Args:
        study: with finished runs.
        colours: of the variants by name.
    """
    runs = {variant.name: list(study.runs(variant).values()) for variant in study.design.variants}
    runs = {name: held for name, held in runs.items() if held and all(map(_is_measured, held))}
    layers = {name: values for name, held in runs.items() if (values := _by_layer(held))}
    if not layers:
        return []
    blocks: list[Block] = [
        *_layer_figures(layers, colours),
        *_epoch_figure(runs, colours),
        *([] if study.design.claim or len(runs) < 2 else [_crossings(runs)]),
        _layer_table(layers),
    ]
    return [Section("Leakage by layer and epoch", blocks, INTRO)]


def _is_measured(run: Run) -> bool:
    return (run.folder / "evaluations/leakage.json").is_file()


def _record(run: Run) -> dict[str, Any]:
    return find_evaluation("leakage").values(run) or {}


def _by_layer(runs: list[Run]) -> ByLayer:
    """A variant's leakage; empty where a layer of some run is dead throughout."""
    layers = [_record(run)["layers"] for run in runs]
    if any(list(each) != list(layers[0]) for each in layers):
        return {}
    return {name: np.array([each[name] for each in layers]) for name in layers[0]}


def _layer_figures(variants: dict[str, ByLayer], colours: Colours) -> list[Figure]:
    """One for each of `SCALARS`; none where networks differ in their layers."""
    names, *others = (list(layers) for layers in variants.values())
    if any(each != names for each in others):
        return []
    values = {variant: np.stack(list(layers.values()), 1) for variant, layers in variants.items()}
    return [
        Figure(
            plots.svg(plots.leakage_by_layer({n: v[:, :, i] for n, v in values.items()}, names, r, colours)),
            f"Leakage at r = {r:g} cycles/pixel by layer, mean over kernels; bands span the seeds.",
            f"Leakage at radius {r:g} against depth for each variant",
        )
        for i, r in enumerate(SCALARS)
    ]


def _epoch_figure(runs: dict[str, list[Run]], colours: Colours) -> list[Figure]:
    """Leakage while training; nothing for runs that did not record it."""
    lines = {name: [run.metrics("leakage") for run in held] for name, held in runs.items()}
    if not all(each for held in lines.values() for each in held):
        return []
    curves: Any = {
        name: [([line["epoch"] for line in each], [_mean(line["leakage"]) for line in each]) for each in held]
        for name, held in lines.items()
    }
    drawn = plots.learning_curves(curves, ylabel="L(1/4) of single kernels, mean over layers", colours=colours)
    caption = "Leakage of single kernels beyond 1/4 cycles/pixel during training; epoch 0 is before the first step."
    return [Figure(plots.svg(drawn), caption, "Leakage against epochs for each variant")]


def _mean(layers: dict[str, list[float | None]]) -> float:
    """Leakage at 1/4, the mean over the layers that are not dead."""
    return float(np.mean([values[1] for values in layers.values() if values[1] is not None]))


def _crossings(runs: dict[str, list[Run]]) -> Table:
    """The difference of every two variants, and the radii at which it changes its sign, seed by seed."""
    curves = {name: {run.config.seed: np.array(_record(run)["curve"]) for run in held} for name, held in runs.items()}
    rows: list[list[Cell]] = []
    for earlier, later in combinations(curves, 2):
        seeds = sorted(curves[earlier].keys() & curves[later].keys())
        if not seeds:
            continue
        gaps = np.array([curves[later][seed] - curves[earlier][seed] for seed in seeds])  # (seeds, radii)
        cells: list[Cell] = [later, earlier]
        for r in SCALARS:
            points = 100 * gaps[:, RADII.index(r)]
            cells.append(f"{points.mean():+.1f} ({', '.join(f'{value:+.1f}' for value in points)})".replace("-", "−"))
        radii = [", ".join(f"{radius:.2f}" for radius in sign_changes(RADII, gap)) or "none" for gap in gaps]
        rows.append([*cells, "; ".join(radii)])
    columns: list[str | Column] = ["variant", "minus"]
    columns += [Column(f"L({r:g}), points (by seed)", numeric=True) for r in SCALARS]
    columns.append("sign changes at r, by seed")
    note = "Mean over kernels, then over layers. Differences below 0.1 points count as none."
    return Table("Differences in leakage", columns, rows, note)


def _layer_table(variants: dict[str, ByLayer]) -> Table:
    rows: list[list[Cell]] = []
    for variant, layers in variants.items():
        for layer, values in layers.items():
            cells: list[Cell] = [variant, layer]
            for i in range(len(SCALARS)):
                over_seeds = spread(values[:, i].tolist())
                cells += [over_seeds.mean, over_seeds.sd]
            rows.append([*cells, len(values)])
    columns: list[str | Column] = ["variant", "layer"]
    for r in SCALARS:
        columns += [Column(f"L({r:g})", ".3f"), Column("sd", ".3f")]
    return Table("Leakage by layer", [*columns, "seeds"], rows, "Mean over kernels, then over seeds.", sortable=True)
