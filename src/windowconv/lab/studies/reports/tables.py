"""The tables of a study's report."""

from __future__ import annotations

from itertools import combinations

from windowconv.lab.evaluations.registry import find_metric, metrics_of
from windowconv.lab.runs.folder import Run
from windowconv.lab.statistics.paired import spread
from windowconv.lab.statistics.tables import INTERVAL_SEEDS, difference
from windowconv.lab.statistics.verdicts import ALPHA
from windowconv.lab.studies.design.design import Variant
from windowconv.lab.studies.design.plan import run_folder
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import Analysis, ContrastResult
from windowconv.lab.studies.reports.evaluation_sections import evaluation_notes
from windowconv.lab.studies.reports.tuning_tables import tuned_table, tuning_tables
from windowconv.report import Cell, Column, Link, Table

SHOWN = 5
"""Metrics of one table; more are in another."""
POWER_NOTE = (
    "Seen with 80 % power is the effect that a t test over these seeds finds then, at the spread seen "
    "and at the level 0.05 over the number of contrasts of its kind."
)


def all_tables(study: StudyFolder, found: Analysis) -> list[Table]:
    """The tables that are also written beside the page."""
    if not study.design.contrasts:
        return [results_table(study), *pairs_table(study), *tuned_table(study)]
    named = [contrasts_table(study, found), *equivalence_table(found)]
    results = [results_table(study, times=False), *further_table(study)]
    return [*named, *results, *tuning_tables(study), *tuned_table(study), *failed_runs_table(study)]


def contrasts_table(study: StudyFolder, found: Analysis) -> Table:
    """Every contrast that was named, with its interval and test."""
    rows = [_row("primary", each) for each in found.primaries]
    rows += [_row("secondary", each) for each in found.secondary]
    columns: list[str | Column] = [
        "contrast",
        "kind",
        Column("difference", "+z.2f"),
        Column("95 % interval", numeric=True),
        "seeds",
        Column("sign-flip p", ".4f"),
        Column("smallest p", ".4f", detail=True),
        Column("Holm's p", ".4f"),
        Column("seen with 80 % power", ".2f", detail=True),
        Column("bootstrap", numeric=True, detail=True),
    ]
    unit = find_metric(study.design.contrasts[0].metric).unit
    many, deciding = sum(each.test is not None for each in found.secondary), len(found.primaries)
    holm = f"Holm's p-values are adjusted over the {many} secondary contrasts. " if many > 1 else ""
    if deciding > 1:
        holm = f"Holm's p-values are of t tests over the {deciding} primary contrasts, which decide. {holm}"
    note = (
        f"Paired by seed (same batches); differences in {unit}, positive where they support the claim. The sign-flip "
        f"test is two-sided and exact up to 20 seeds; with n seeds its smallest p is 2/2^n. {holm}{POWER_NOTE} "
        "Everything else in this report is exploratory. Bootstrap intervals are given from 20 seeds."
    )
    return Table("Prespecified contrasts", columns, rows, note)


def _row(kind: str, found: ContrastResult) -> list[Cell]:
    effect, test = found.effect, found.test
    interval = None if effect is None or effect.interval is None else interval_text(*effect.interval)
    bootstrap = found.bootstrap
    again = None
    if bootstrap is not None and bootstrap.low is not None and bootstrap.high is not None:
        again = interval_text(bootstrap.low, bootstrap.high)
    return [
        str(found.contrast),
        kind,
        None if effect is None else effect.mean,
        interval,
        len(found.seeds),
        None if test is None else test.p,
        None if test is None else test.floor,
        found.adjusted,
        found.detectable,
        again,
    ]


def equivalence_table(found: Analysis) -> list[Table]:
    """The claims of no difference, by two one-sided tests; nothing where there are none."""
    rows: list[list[Cell]] = []
    for each in found.equivalent:
        effect = each.measured.effect
        interval = None if effect is None else effect.interval_at(0.9)
        shown = None if interval is None else interval_text(*interval)
        said = "no verdict yet" if each.p is None else "equivalent" if each.p < ALPHA else "not shown"
        mean = None if effect is None else effect.mean
        rows.append([str(each.measured.contrast), mean, shown, len(each.measured.seeds), each.margin, each.p, said])
    if not rows:
        return []
    columns: list[str | Column] = ["contrast", Column("difference", "+z.2f"), Column("90 % interval", numeric=True)]
    columns += ["seeds", Column("margin", ".2f"), Column("p", ".4f"), "equivalence"]
    note = (
        "Two one-sided paired t tests, adjusted by Holm over the rows: equivalent where p is below 0.05. A difference "
        "that is not significant shows no equivalence."
    )
    return [Table("Prespecified claims of no difference", columns, rows, note)]


def interval_text(low: float, high: float) -> str:
    """An interval as it is printed.

    >>> interval_text(-0.104, 1.5)
    '[−0.10, +1.50]'
    """
    return f"[{low:+z.2f}, {high:+z.2f}]".replace("-", "−")


def results_table(study: StudyFolder, times: bool = True) -> Table:
    """Each variant's size and its metrics over seeds; without a claim, its accuracy, also minus the first's.

    Args:
        study: with or without finished runs.
        times: whether the time of a run is shown: it depends on what else the machine did, so that evidence has none.
    """
    first, *_ = study.design.variants
    measures = study.design.measures if study.design.contrasts else ()
    metrics = [name for name in metrics_of(measures) if _is_measured(study, name)][:SHOWN] or ["accuracy"]
    compares = not study.design.contrasts and len(study.design.variants) > 1
    columns: list[str | Column] = ["variant", "seeds"]
    for name in metrics:
        columns += [Column(find_metric(name).title, ".2f"), Column("sd", ".2f")]
        if compares and name == "accuracy":
            how = "[95 % interval]" if study.seeds >= INTERVAL_SEEDS else "(by seed)"
            columns.append(Column(f"minus {first.name} {how}", numeric=True))
    columns += [Column("parameters", detail=True), Column("multiply-adds (M)", ".2f", detail=True)]
    columns += [Column("time of a run (s)", ".1f" if compares else ".0f", detail=True)] if times else []
    rows: list[list[Cell]] = []
    for variant in study.design.variants:
        runs, network = study.runs(variant), study.record["networks"][variant.name]
        cells: list[Cell] = [variant.name, len(runs)]
        for name in metrics:
            values = list(study.values(variant, name).values())
            cells += [spread(values).mean, spread(values).sd] if values else [None, None]
            if compares and name == "accuracy":
                cells.append(None if variant is first else _difference(study, variant, first))
        seconds = [run.final()["time_s"] for run in runs.values()]
        cells += [network["parameters"], network["macs"] / 1e6]
        cells += [spread(seconds).mean if seconds else None] if times else []
        rows.append(cells)
    sentences = [
        f"Means and sample standard deviations over seeds, at the last epoch, on {study.record['data']['test']:,} test "
        "images.",
        f"Differences are paired by seed (same batches), in percentage points; 95 % paired-t intervals are given from "
        f"{INTERVAL_SEEDS} seeds."
        if compares
        else "",
        evaluation_notes(study) if measures else "",
        "Multiply-adds are for one forward pass of one image.",
        "Times include evaluations; runs may have shared the machine." if times else "",
        f"Hardware: {study.environment('device')}; torch {study.environment('torch')}." if compares else "",
    ]
    return Table("Results by variant", columns, rows, " ".join(filter(None, sentences)))


def further_table(study: StudyFolder) -> list[Table]:
    """The metrics that `results_table` has no room for; nothing where it has them all."""
    measures = study.design.measures if study.design.contrasts else ()
    metrics = [name for name in metrics_of(measures) if _is_measured(study, name)][SHOWN:]
    if not metrics:
        return []
    columns: list[str | Column] = ["variant"]
    for number, name in enumerate(metrics):
        detail = number >= SHOWN
        columns += [Column(find_metric(name).title, ".2f", detail=detail), Column("sd", ".2f", detail=detail)]
    rows: list[list[Cell]] = []
    for variant in study.design.variants:
        cells: list[Cell] = [variant.name]
        for name in metrics:
            values = list(study.values(variant, name).values())
            cells += [spread(values).mean, spread(values).sd] if values else [None, None]
        rows.append(cells)
    return [Table("Further measures by variant", columns, rows, "Means and sample standard deviations over seeds.")]


def _is_measured(study: StudyFolder, metric: str) -> bool:
    return any(study.values(variant, metric) for variant in study.design.variants)


def _difference(study: StudyFolder, variant: Variant, against: Variant) -> str | None:
    """The paired difference in accuracy over the seeds that both have; None if they share none."""
    values, baseline = study.values(variant, "accuracy"), study.values(against, "accuracy")
    seeds = sorted(values.keys() & baseline.keys())
    return difference([values[seed] for seed in seeds], [baseline[seed] for seed in seeds]) if seeds else None


def pairs_table(study: StudyFolder) -> list[Table]:
    """The paired difference in accuracy of every two variants, the later minus the earlier, where there are three."""
    variants = study.design.variants
    if len(variants) < 3:
        return []
    rows: list[list[Cell]] = [
        [later.name, earlier.name, _difference(study, later, earlier)] for earlier, later in combinations(variants, 2)
    ]
    columns: list[str | Column] = ["variant", "minus", Column("points", numeric=True)]
    note = "Many comparisons find some difference by chance: choose the one that counts before you look."
    return [Table("Paired differences of all variants", columns, rows, note)]


def failed_runs_table(study: StudyFolder) -> list[Table]:
    """The runs that failed, with the reason; nothing if none did."""
    failures: dict[str, str] = study.record["failures"]
    rows: list[list[Cell]] = [[*item] for item in failures.items()]
    note = "A run whose loss is no longer finite counts as failed, and is not tried again; others are tried twice."
    return [Table("Failed runs", ["run", "reason"], rows, note)] if rows else []


def runs_table(study: StudyFolder) -> Table:
    """Every run, linked to its curves on the page and to its run.json beside it."""
    rows: list[list[Cell]] = []
    for variant in study.design.variants:
        for seed, run in study.runs(variant).items():
            accuracy = study.values(variant, "accuracy").get(seed)
            folder = run_folder(variant, seed)
            rows.append(
                [
                    Link(folder, f"#{anchor(run)}"),
                    variant.name,
                    seed,
                    accuracy,
                    run.final()["time_s"],
                    run.record["environment"]["torch"],
                    _algorithms(run),
                    Link(run.record["config_hash"], f"{folder}/run.json"),
                ]
            )
    columns: list[str | Column] = [
        "run",
        "variant",
        "seed",
        Column("test accuracy (%)", ".2f"),
        Column("seconds", ".0f"),
    ]
    columns += [Column("torch", detail=True), Column("algorithms", detail=True), "settings"]
    note = "A run's name links to its curves below, the hash of its settings to its run.json."
    return Table("Runs", columns, rows, note, sortable=True)


def anchor(run: Run) -> str:
    """The id of a run's curves on the page."""
    return f"run-{run.folder.name}".lower()


def _algorithms(run: Run) -> str:
    """The number of convolutions by the algorithm that computed them."""
    pins = list(run.record["numerics"]["algorithm"].values())
    return ", ".join(f"{pins.count(kind)} {kind}" for kind in dict.fromkeys(pins)) or "direct"
