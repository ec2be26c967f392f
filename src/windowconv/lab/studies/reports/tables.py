"""The tables of a study's report."""

from __future__ import annotations

from windowconv.lab.evaluations.registry import find_metric, metrics_of
from windowconv.lab.runs.folder import Run
from windowconv.lab.statistics.paired import spread
from windowconv.lab.studies.design.plan import run_folder
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import Finding, Findings
from windowconv.lab.studies.reports.evaluation_sections import evaluation_notes
from windowconv.report import Cell, Column, Link, Table

RULE = (
    "The rule was fixed before any run. It uses the 95 % paired-t interval of the primary contrast over seeds: the "
    "claim holds if the whole interval is above 0; otherwise it does not hold if the upper end is below d, the "
    "smallest effect of interest, and is not settled if the upper end is d or more. No test over images decides, "
    "because it would ignore that another seed gives another network."
)


def all_tables(study: StudyFolder, found: Findings) -> list[Table]:
    """The tables that are also written beside the page."""
    return [contrasts_table(study, found), results_table(study), *tuned_table(study)]


def contrasts_table(study: StudyFolder, found: Findings) -> Table:
    """Every contrast that was named, with its interval and test."""
    rows = [_row("primary", found.primary), *(_row("secondary", each) for each in found.secondary)]
    columns: list[str | Column] = [
        "contrast",
        "kind",
        Column("difference", "+z.2f"),
        Column("95 % interval", numeric=True),
        "seeds",
        Column("sign-flip p", ".4f"),
        Column("smallest p", ".4f"),
        Column("Holm's p", ".4f"),
        Column("bootstrap", numeric=True),
    ]
    figure = find_metric(study.design.primary.figure)
    many = sum(each.test is not None for each in found.secondary)
    holm = f"Holm's p-values are adjusted over the {many} secondary contrasts; e" if many > 1 else "E"
    note = (
        f"Paired by seed (same batches); differences in {figure.unit}, positive where they support the claim. The "
        f"sign-flip test is two-sided and exact up to 20 seeds; with n seeds its smallest p is 2/2^n. {holm}verything "
        "else in this report is exploratory. Bootstrap intervals are given from 20 seeds."
    )
    return Table("Prespecified contrasts", columns, rows, note)


def _row(kind: str, found: Finding) -> list[Cell]:
    effect, test = found.effect, found.test
    interval = None if effect is None or effect.interval is None else ends(*effect.interval)
    bootstrap = found.bootstrap
    again = None
    if bootstrap is not None and bootstrap.low is not None and bootstrap.high is not None:
        again = ends(bootstrap.low, bootstrap.high)
    return [
        str(found.contrast),
        kind,
        None if effect is None else effect.mean,
        interval,
        len(found.seeds),
        None if test is None else test.p,
        None if test is None else test.floor,
        found.adjusted,
        again,
    ]


def ends(low: float, high: float) -> str:
    """An interval as it is printed.

    >>> ends(-0.104, 1.5)
    '[−0.10, +1.50]'
    """
    return f"[{low:+z.2f}, {high:+z.2f}]".replace("-", "−")


def results_table(study: StudyFolder) -> Table:
    """Each variant's size, its figures over seeds, and its difference to the first variant's accuracy."""
    figures = [name for name in metrics_of(study.design.measures) if _is_there(study, name)] or ["accuracy"]
    columns: list[str | Column] = ["variant", "seeds"]
    for name in figures:
        columns += [Column(find_metric(name).title, ".2f"), Column("sd", ".2f")]
    columns += ["parameters", Column("multiply-adds (M)", ".2f"), Column("time of a run (s)", ".0f")]
    rows: list[list[Cell]] = []
    for variant in study.design.variants:
        runs, network = study.runs(variant), study.record["networks"][variant.name]
        cells: list[Cell] = [variant.name, len(runs)]
        for name in figures:
            held = list(study.values(variant, name).values())
            cells += [spread(held).mean, spread(held).sd] if held else [None, None]
        seconds = [run.final()["time_s"] for run in runs.values()]
        cells += [network["parameters"], network["macs"] / 1e6, spread(seconds).mean if seconds else None]
        rows.append(cells)
    sentences = [
        f"Means and sample standard deviations over seeds, at the last epoch, on {study.record['data']['test']:,} test "
        "images.",
        evaluation_notes(study),
        "Multiply-adds are for one forward pass of one image. Times include evaluations; runs may have shared the "
        "machine.",
    ]
    note = " ".join(filter(None, sentences))
    return Table("Results by variant", columns, rows, note)


def _is_there(study: StudyFolder, figure: str) -> bool:
    return any(study.values(variant, figure) for variant in study.design.variants)


def tuned_table(study: StudyFolder) -> list[Table]:
    """What the searches found, where variants were tuned."""
    searched = study.record["searched"]
    rows: list[list[Cell]] = [
        [
            name,
            ", ".join(f"{value}: {100 * accuracy:.2f}" for value, accuracy in found.items()),
            study.record["tuned"][name],
        ]
        for name, found in searched.items()
    ]
    if not rows:
        return []
    columns: list[str | Column] = ["variant", "validation accuracy (%) by value", Column("chosen", "g")]
    note = "Each value was tried once, with a seed of its own, on validation images held out of the training set."
    return [Table("Settings tuned before the runs", columns, rows, note)]


def runs_table(study: StudyFolder) -> Table:
    """Every run, linked to its curves in the page and to its folder beside it."""
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
    columns += ["torch", "algorithms", "settings"]
    note = "A run's name leads to its curves below, its settings' hash to its run.json beside this page."
    return Table("Runs", columns, rows, note, sortable=True)


def anchor(run: Run) -> str:
    """The place of a run's curves in the page."""
    return f"run-{run.folder.name}".lower()


def _algorithms(run: Run) -> str:
    """How many convolutions were computed how."""
    pins = list(run.record["numerics"]["algorithm"].values())
    return ", ".join(f"{pins.count(kind)} {kind}" for kind in dict.fromkeys(pins)) or "direct"


def answer(study: StudyFolder, found: Findings) -> str:
    """The verdict in a sentence, with effect, interval, seeds and scale."""
    if found.verdict is None or found.primary.effect is None:
        return "No verdict: no seed has all runs of the primary contrast yet."
    effect, figure = found.primary.effect, find_metric(study.design.primary.figure)
    interval = "" if effect.interval is None else f", 95 % interval {ends(*effect.interval)}"
    seeds = f"{effect.n} seed{'s' if effect.n > 1 else ''}"
    mean = f"{effect.mean:+z.2f}".replace("-", "−")
    said = f"The claim {found.verdict}" if found.verdict.answer != "not settled" else f"The claim is {found.verdict}"
    short = (
        f"{said}: {mean} {figure.unit}{interval}, {seeds}, d = {study.design.smallest:g}, at scale {study.scale}"
        f"{_changes(study)} on {study.record['data']['name']}."
    )
    if study.finished < study.wanted:
        short += f" Provisional: {study.finished} of {study.wanted} runs are finished."
    return short


def _changes(study: StudyFolder) -> str:
    """What is not as in the recipe: a verdict at another schedule is not one about the recipe's."""
    changes = [f"{name.replace('_', '-')}={str(value).lower()}" for name, value in study.design.changes]
    return f" (except {', '.join(changes)})" if changes else ""
