"""The part of a study's report about spectral leakage: by radius, by layer, by epoch, and where arms cross."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from windowconv import plots
from windowconv.lab.statistics.paired import spread
from windowconv.lab.studies.grid.study import StudyResult
from windowconv.report import Column, Figure, Section, Table
from windowconv.spectra.curve import RADII, sign_changes
from windowconv.spectra.network import SCALARS, leakage

Curves = dict[str, np.ndarray]  # by arm: (seeds, layers, radii)


def leakage_section(result: StudyResult, colours: dict[str, str]) -> Section:
    """Leakage of the single kernels of all runs' effective weights."""
    curves = {arm: _of_arm(result, arm) for arm in result.study.arms}
    names = [f"conv{i + 1}" for i in range(next(iter(curves.values())).shape[1])]
    blocks: list[Any] = [
        Figure(
            plots.svg(plots.leakage_curves({a: c.mean(1) for a, c in curves.items()}, RADII, colours=colours)),
            "Leakage curves of the effective kernels: the share of a single kernel's spectral energy farther than r "
            "from its peaks, the mean over kernels and layers; bands span the seeds.",
            "Leakage against radius for each arm",
        ),
        *(_by_layer(curves, names, r, colours) for r in SCALARS),
        *_by_epoch(result, colours),
        *([_crossings(curves)] if len(curves) > 1 else []),
        _table(curves, names, result.study.seeds),
    ]
    intro = (
        "A real filter passes a band around its peak frequencies +f and −f. L(r) is the share of its spectral energy "
        "farther than r (in cycles/pixel) from the nearer of the two, on one frequency grid for all kernel sizes; here "
        "of single kernels, one for each input and output channel. Less is not always better: a window widens the band "
        "around the peak, so L grows at small r, and lowers what lies far from it, so L falls at large r. Look where "
        "curves cross."
    )
    return Section("Spectral leakage", blocks, intro)


def _of_arm(result: StudyResult, arm: str) -> np.ndarray:
    found = [[layer.pair_curve for layer in leakage(run.model()).layers] for run in result.runs(arm)]
    nothing = [float("nan")] * len(RADII)  # of a layer that died
    return np.array([[curve or nothing for curve in layers] for layers in found])


def _by_layer(curves: Curves, names: list[str], r: float, colours: dict[str, str]) -> Figure:
    at = RADII.index(r)
    values = {arm: c[:, :, at] for arm, c in curves.items()}
    return Figure(
        plots.svg(plots.leakage_by_layer(values, names, r=r, colours=colours)),
        f"Leakage at r = {r:g} cycles/pixel by layer, mean over kernels; bands span the seeds.",
        f"Leakage at radius {r:g} against depth for each arm",
    )


def _by_epoch(result: StudyResult, colours: dict[str, str]) -> list[Figure]:
    """How training changes it; nothing for runs without a record."""
    curves: dict[str, Any] = {}
    for arm in result.study.arms:
        runs = [run.metrics("leakage") for run in result.runs(arm)]
        if not all(runs):
            return []
        curves[arm] = [
            ([line["epoch"] for line in lines], [_mean_leakage(line["leakage"]) for line in lines]) for lines in runs
        ]
    figure = plots.learning_curves(curves, ylabel="L(1/4) of single kernels, mean over layers", colours=colours)
    caption = "Leakage of single kernels beyond 1/4 cycles/pixel while training goes on; epoch 0 is before it."
    return [Figure(plots.svg(figure), caption, "Leakage against epochs for each arm")]


def _mean_leakage(layers: dict[str, list[float | None]]) -> float:
    return float(np.mean([value[1] for value in layers.values() if value[1] is not None]))


def _crossings(curves: Curves) -> Table:
    """The difference of every two arms, and where it changes its sign, seed by seed."""
    rows = []
    for earlier, later in combinations(curves, 2):
        gaps = np.nanmean(curves[later], axis=1) - np.nanmean(curves[earlier], axis=1)  # (seeds, radii)
        cells: list[Any] = [later, earlier]
        for r in SCALARS:
            at = 100 * gaps[:, RADII.index(r)]
            cells.append(f"{at.mean():+.1f} ({', '.join(f'{value:+.1f}' for value in at)})".replace("-", "−"))
        turns = [sign_changes(RADII, gap) for gap in gaps]
        said = [", ".join(f"{turn:.2f}" for turn in each) or "none" for each in turns]
        rows.append([*cells, "; ".join(said)])
    columns: list[str | Column] = ["", "minus"]
    columns += [Column(f"L({r:g}), points (by seed)", numeric=True) for r in SCALARS]
    columns.append("sign changes at r, by seed")
    note = "Mean over kernels, then over layers. A difference below 0.1 points counts as none."
    return Table("Where arms differ in leakage", columns, rows, note)


def _table(curves: Curves, names: list[str], seeds: int) -> Table:
    rows = []
    for arm, values in curves.items():
        for i, name in enumerate(names):
            cells: list[Any] = [arm, name]
            for r in SCALARS:
                by_seed = spread(values[:, i, RADII.index(r)].tolist())
                cells += [by_seed.mean, None if by_seed.sd is None else f"{by_seed.sd:.3f}"]
            rows.append([*cells, seeds])
    columns: list[str | Column] = ["arm", "layer"]
    for r in SCALARS:
        columns += [Column(f"L({r:g})", ".3f"), Column("sd", numeric=True)]
    note = "Mean over kernels, then over seeds."
    return Table("Leakage by layer", [*columns, "seeds"], rows, note=note, sortable=True)
