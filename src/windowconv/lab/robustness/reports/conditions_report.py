"""The section of a report about conditions: errors by kind and by corruption; pictures by `conditions_pictures`."""

from __future__ import annotations

from collections.abc import Sequence

from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.protocol import Colours, Runs
from windowconv.lab.robustness.conditions.bands import BANDS
from windowconv.lab.robustness.conditions.corruptions import CORRUPTIONS
from windowconv.lab.robustness.reports.conditions_comparison import BySeed, ConditionsComparison, Kind, minus_heading
from windowconv.lab.robustness.reports.conditions_pictures import curves, sheets
from windowconv.lab.statistics.paired import spread
from windowconv.lab.statistics.tables import difference
from windowconv.report import Block, Cell, Column, Section, Table, Text


def conditions_section(
    runs: Runs,
    images: Images | None = None,
    colours: Colours = None,
    count: int | None = None,
) -> Section:
    """Errors under corruptions, band-limited noise and filters.

    Args:
        runs: by arm, one run a seed, measured by `measure_conditions`; the first arm is the baseline.
        images: the runs' test set, to show an image under every condition; None for no such pictures.
        colours: of the arms; those of `plots.arm_colours` if None.
        count: on how many images they were measured; None for the most that all runs share.

    Raises:
        InputError: as `ConditionsComparison.read`; images that are not the runs'.
    """
    found = ConditionsComparison.read(runs, count)
    blocks: list[Block] = [kinds_table(found), *curves(found, colours)]
    if any(condition.family == "corruption" for condition in found.conditions):
        blocks.append(corruptions_table(found))
    blocks.append(shared_table(found))
    if images is not None:
        blocks += sheets(found, [run for seeds in runs.values() for run in seeds], images)
    intro = (
        "All arms see the same test images under each condition. A corruption is low-, mid- or high-frequency by the "
        "median frequency of the energy of its change on most images: below 1/8, below 1/4, or above, in cycles/pixel. "
        "Corruptions act on enlarged images, so errors do not compare with those on CIFAR-10-C. An arm that is better "
        "on clean images is mostly better under corruptions too: a column therefore has what a condition adds to the "
        "clean error, and a second table counts only images that every arm and seed classifies correctly when clean."
    )
    return Section("Corruptions and frequencies", blocks, intro)


def kinds_table(found: ConditionsComparison) -> Table:
    """Mean errors over kinds of conditions, by arm, with paired differences from the first arm."""
    clean = found.clean()
    rows = []
    for title, errors, relative in [
        ("none (clean images)", clean, None),
        *((_titled(kind), found.errors(kind.conditions), found.relative(kind.conditions)) for kind in found.kinds()),
    ]:
        added = {arm: _less(errors[arm], clean[arm]) for arm in errors}
        for arm in found.arms:
            error = spread(errors[arm])
            ratio = None if relative is None else relative[arm]
            cells: list[Cell] = [title, arm, error.mean, error.sd, _difference(errors, arm, found.baseline)]
            cells.append(None if ratio is None else spread(ratio).mean)
            if relative is None:
                cells += [None, None]
            else:
                cells += [spread(added[arm]).mean, _difference(added, arm, found.baseline)]
            rows.append(cells)
    columns = [
        "conditions",
        "arm",
        Column("error (%)", ".2f"),
        Column("sd", ".2f", numeric=True),
        Column(_minus(found), numeric=True),
        Column(f"relative to {found.baseline} (%)", ".1f", numeric=True),
        Column("added to clean error (points)", ".2f", numeric=True, detail=True),
        Column(f"added, {_minus(found)}", numeric=True, detail=True),
    ]
    note = (
        f"{_provenance(found)} The relative error of corruptions is the mean corruption error, with "
        f"{found.baseline} in AlexNet's place. Among many comparisons, some differences are chance: name the one that "
        "counts beforehand."
    )
    return Table("Errors by kind of condition", columns, rows, note=note, sortable=True)


def corruptions_table(found: ConditionsComparison) -> Table:
    """Errors by corruption, averaged over severities, and what each changes in these images."""
    others = [arm for arm in found.arms if arm != found.baseline]
    rows = []
    for name, entry in CORRUPTIONS.items():
        members = [condition for condition in found.conditions if condition.series == name]
        if not members:
            continue
        errors, change = found.errors(members), found.change(name)
        cells: list[Cell] = [entry.title, entry.group, entry.band, spread(errors[found.baseline]).mean]
        for arm in others:
            cells += [spread(errors[arm]).mean, _difference(errors, arm, found.baseline)]
        rows.append([*cells, change["rms"], *(100 * change[band] for band in BANDS)])
    columns: list[str | Column] = ["corruption", "group", "band", Column(f"{found.baseline} error (%)", ".2f")]
    for arm in others:
        columns += [Column(f"{arm} error (%)", ".2f"), Column(f"minus {found.baseline}", numeric=True)]
    columns.append(Column("change (rms)", ".3f", detail=True))
    columns += [Column(f"{band} (%)", ".0f", detail=True) for band in BANDS]
    note = (
        f"{_provenance(found)} Means over severities. The last columns say what the corruption changes in these "
        "images: the root mean square, of values in [0, 1], and the shares of its energy in the three bands."
    )
    return Table("Errors by corruption", columns, rows, note=note, sortable=True)


def shared_table(found: ConditionsComparison) -> Block:
    """Errors by kind of condition, on the images that every arm and seed classifies correctly when clean."""
    among, n = found.shared, int(found.shared.sum())
    if n == 0:
        return Text(
            "No image is classified correctly by all arms and seeds: the comparison on shared images is left out."
        )
    rows = []
    for kind in found.kinds():
        errors = found.errors(kind.conditions, among)
        for arm in found.arms:
            error = spread(errors[arm])
            rows.append([_titled(kind), arm, error.mean, error.sd, _difference(errors, arm, found.baseline)])
    columns = [
        "conditions",
        "arm",
        Column("error (%)", ".2f"),
        Column("sd", ".2f", numeric=True),
        Column(_minus(found), numeric=True),
    ]
    note = (
        f"On the {n:,} of {len(among):,} images that every arm and seed classifies correctly when clean: there, all "
        "start from zero error. These are the easier images, the more so the more networks are compared."
    )
    return Table("Errors on images that all classify correctly when clean", columns, rows, note=note, sortable=True)


def _titled(kind: Kind) -> str:
    series = len({condition.series for condition in kind.conditions})
    return f"{kind.title} ({series})" if series > 1 else kind.title


def _difference(errors: BySeed, arm: str, baseline: str) -> str | None:
    return None if arm == baseline else difference(errors[arm], errors[baseline])


def _less(values: Sequence[float], less: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(values, less, strict=True)]


def _minus(found: ConditionsComparison) -> str:
    return minus_heading(found.baseline, len(found.arms[found.baseline]))


def _provenance(found: ConditionsComparison) -> str:
    """Images, seeds, versions and hardware, in sentences."""
    record, seeds = found.record, len(found.arms[found.baseline])
    environment = record["environments"][-1]
    return (
        f"{record['n']:,} test images of {record['source']}, {seeds} seed{'s' if seeds > 1 else ''} an arm; means and "
        "sample standard deviations over seeds, differences paired by seed. Made with imagecorruptions-imaug "
        f"{environment['libraries']['imagecorruptions-imaug']} and torch {environment['torch']} on "
        f"{environment['device']}."
    )
