"""The sections of a report about shifts and single frequencies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from windowconv import plots
from windowconv.errors import InputError
from windowconv.lab.evaluations.protocol import Colours, Runs
from windowconv.lab.robustness.conditions.bands import BANDS
from windowconv.lab.robustness.conditions.record import HEAT_MAP, SHIFTS, read_measurement, shared_count
from windowconv.lab.robustness.reports.conditions_comparison import check_paired, minus_heading
from windowconv.lab.statistics.paired import spread
from windowconv.lab.statistics.tables import difference
from windowconv.plots.robustness import ErrorPanel
from windowconv.report import Block, Cell, Column, Figure, Section, Table

Records = dict[str, list[dict[str, Any]]]  # by arm and seed


def shifts_section(runs: Runs, colours: Colours = None, count: int | None = None) -> Section:
    """How often a shifted image gets another class.

    Args:
        runs: by arm, one run a seed, measured by `measure_shifts`; the first arm is the baseline.
        colours: of the arms.
        count: on how many images they were measured; None for the most that all runs share.

    Raises:
        InputError: runs that were not measured, or not on the same images.
    """
    records = _read(runs, SHIFTS, count)
    baseline = next(iter(records))
    reaches = records[baseline][0]["reaches"]
    errors = {arm: np.array([_differing(record) for record in held]) for arm, held in records.items()}
    panel = ErrorPanel("", list(range(len(reaches))), errors, [str(reach) for reach in reaches])
    figure = plots.error_curves([panel], "shifts of up to (pixels)", "pairs with two classes (%)", colours)
    rows = []
    for arm, values in errors.items():
        cells: list[Cell] = [arm]
        for i in range(len(reaches)):
            column = values[:, i].tolist()
            minus = None if arm == baseline else difference(column, errors[baseline][:, i].tolist())
            cells += [spread(column).mean, minus]
        rows.append(cells)
    columns: list[str | Column] = ["arm"]
    for reach in reaches:
        columns += [
            Column(f"up to {reach} (%)", ".2f"),
            Column(minus_heading(baseline, len(records[baseline])), numeric=True),
        ]
    first = records[baseline][0]
    note = (
        f"Pairs of circular shifts of each of {first['n']:,} test images, {_seeds(records)}. Correctness does not "
        "matter: a network that gives every image one class would have 0 %."
    )
    caption = "Share of pairs of shifts of an image that get two classes, against the largest shift along each axis."
    blocks: list[Block] = [
        Figure(plots.svg(figure), caption, "Share of pairs of shifts with two classes, for each arm"),
        Table("Pairs of shifts with two classes", columns, rows, note=note),
    ]
    return Section("Consistency under shifts", blocks)


def heat_map_section(runs: Runs, count: int | None = None) -> Section:
    """Each arm's error under a perturbation of each frequency, averaged over seeds, and less the first arm's.

    Args:
        runs: by arm, one run a seed, measured by `measure_heat_maps`; the first arm is the baseline.
        count: on how many images they were measured; None for the most that all runs share.

    Raises:
        InputError: runs that were not measured, or not on the same images with the same norm.
    """
    records = _read(runs, HEAT_MAP, count)
    baseline = next(iter(records))
    first = records[baseline][0]["figures"]
    rows, columns = np.array(first["rows"]), np.array(first["columns"])
    maps = {arm: np.array([record["figures"]["error"] for record in held]) for arm, held in records.items()}
    means = {arm: held.mean(0) for arm, held in maps.items()}
    clean = {arm: float(np.mean([r["figures"]["clean_error"] for r in held])) for arm, held in records.items()}
    highest = 100 * max(max(mean.max() for mean in means.values()), *clean.values(), 0.01)
    blocks: list[Block] = []
    for arm, mean in means.items():
        figure = plots.heat_map(mean, rows, columns, clean[arm], arm, (0.0, highest))
        alt = f"Fourier heat map of {arm}: error under a perturbation of each frequency"
        blocks.append(
            Figure(plots.svg(figure), f"{arm}: error under a perturbation of each frequency, mean over seeds.", alt)
        )
    for arm, mean in means.items():
        if arm != baseline:
            title = f"{arm} minus {baseline}"
            figure = plots.heat_map_difference(mean, means[baseline], rows, columns, title)
            caption = f"{title}: blue where {arm} makes fewer errors."
            blocks.append(Figure(plots.svg(figure), caption, f"Difference of Fourier heat maps, {title}"))
    blocks.append(_bands_table(records, maps, np.hypot(rows[:, None], columns[None, :])))
    intro = (
        f"Error under a pure perturbation of each frequency, of L2 norm {records[baseline][0]['norm']:g} in each "
        "channel, not clipped. Zero frequency is in the middle. Single cells are noisy: rely on the bands."
    )
    return Section("Fourier heat maps", blocks, intro)


def _bands_table(records: Records, maps: Mapping[str, np.ndarray], radius: np.ndarray) -> Table:
    """The mean error over each band of frequencies.

    Args:
        records: by arm and seed.
        maps: errors (seeds, rows, columns) by arm.
        radius: (rows, columns), each frequency's distance from 0 in cycles/pixel.
    """
    baseline = next(iter(records))
    inside = {band: (radius >= low) & (radius < high) for band, (low, high) in BANDS.items()}
    inside = {band: mask for band, mask in inside.items() if mask.any()}
    clean = {arm: [100 * r["figures"]["clean_error"] for r in held] for arm, held in records.items()}
    errors = [("clean", clean)]
    errors += [
        (band, {a: (100 * m[:, mask].mean(1)).tolist() for a, m in maps.items()}) for band, mask in inside.items()
    ]
    rows = []
    for arm in records:
        cells: list[Cell] = [arm]
        for _, values in errors:
            minus = None if arm == baseline else difference(values[arm], values[baseline])
            cells += [spread(values[arm]).mean, minus]
        rows.append(cells)
    columns: list[str | Column] = ["arm"]
    for title, _ in errors:
        columns += [
            Column(f"{title} (%)", ".2f"),
            Column(minus_heading(baseline, len(records[baseline])), numeric=True),
        ]
    note = (
        f"Mean error over frequencies below 1/8 (low), from 1/8 to 1/4 (mid) and above (high), in cycles/pixel; "
        f"{records[baseline][0]['n']:,} test images, {_seeds(records)}."
    )
    return Table("Fourier heat maps by band", columns, rows, note=note)


def _read(runs: Runs, name: str, count: int | None) -> Records:
    check_paired(runs)
    n = shared_count([run for seeds in runs.values() for run in seeds], name, count)
    records = {arm: [read_measurement(run, name, n) for run in seeds] for arm, seeds in runs.items()}
    first = next(iter(records.values()))[0]
    for arm, seeds in runs.items():
        for run, record in zip(seeds, records[arm], strict=True):
            for key in ("content_hash", "indices", "seed", "reaches", "norm", "size"):
                if record.get(key) != first.get(key):
                    raise InputError(f"{run.folder.name} was measured ({name}) with another {key} than other runs")
    return records


def _differing(record: Mapping[str, Any]) -> list[float]:
    return [100 * (1 - shift["share"]) for shift in record["figures"]["shifts"]]


def _seeds(records: Records) -> str:
    n = len(next(iter(records.values())))
    return f"{n} seed{'s' if n > 1 else ''} an arm, differences paired by seed"
