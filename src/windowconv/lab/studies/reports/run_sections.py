"""The parts of a study's report about its runs: learning curves, settings, each run, and failures."""

from __future__ import annotations

from typing import Any

from windowconv import plots
from windowconv.lab.progress import duration
from windowconv.lab.runs.folder import Run
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.tables import anchor, runs_table
from windowconv.report import Block, Cell, Column, Figure, Section, Table, Text

Colours = dict[str, str]


def curves_section(study: StudyFolder, colours: Colours) -> Section:
    """Accuracy and training loss against epochs.

    Args:
        study: with one finished run at least.
        colours: of the variants by name.
    """
    runs = {variant.name: list(study.runs(variant).values()) for variant in study.design.variants}
    runs = {name: held for name, held in runs.items() if held}
    key, watched = _watched(next(iter(runs.values()))[0])
    blocks: list[Block] = []
    for name, scale, label in ((key, 100, f"{watched} accuracy (%)"), ("train_loss", 1, "training loss")):
        curves: Any = {variant: [_curve(run, name, scale) for run in held] for variant, held in runs.items()}
        drawn = plots.learning_curves(curves, ylabel=label, colours=colours)
        caption = f"{label.capitalize()} after each epoch; thin lines are seeds, thick ones their mean."
        blocks.append(Figure(plots.svg(drawn), caption, f"Curves of {label} against epochs for each variant"))
    intro = (
        "The test images decide nothing: they stop no training early and choose no run." if watched == "test" else ""
    )
    return Section("Learning curves", blocks, intro)


def _watched(run: Run) -> tuple[str, str]:
    """The accuracy that a run measured after each epoch: its key in metrics.jsonl, and of which images."""
    return ("val_accuracy", "validation") if run.config.val_fraction else ("test_accuracy", "test")


def _curve(run: Run, key: str, scale: float) -> tuple[list[int], list[float]]:
    """The epochs that were evaluated, and the values after each."""
    lines = [line for line in run.metrics("epoch") if key in line]
    return [line["epoch"] for line in lines], [scale * line[key] for line in lines]


def runs_section(study: StudyFolder) -> Section:
    """The table of all runs, the curves that it links to, and the commands that make the runs again."""
    runs = [run for variant in study.design.variants for run in study.runs(variant).values()]
    commands = Text("\n".join(run.record["command"] for run in runs), code=True)
    return Section("Runs", [runs_table(study), *map(_run_figure, runs), commands])


def _run_figure(run: Run) -> Figure:
    key, watched = _watched(run)
    curves: Any = {"training": [_curve(run, "train_accuracy", 100)], watched: [_curve(run, key, 100)]}
    final = run.final()
    caption = (
        f"{run.folder.name}: {100 * final['test_accuracy']:.2f} % of the test images, loss {final['test_loss']:.4f}, "
        f"{duration(final['time_s'])}."
    )
    drawn = plots.learning_curves(curves, ylabel="accuracy (%)")
    return Figure(plots.svg(drawn), caption, f"Accuracy of {run.folder.name} against epochs", anchor=anchor(run))


def failures_section(study: StudyFolder) -> list[Section]:
    """The runs that failed; nothing if none did."""
    failures: dict[str, str] = study.record["failures"]
    if not failures:
        return []
    intro = "Each failed twice and is missing above. The study's command tries them again."
    return [Section("Failed runs", [Table("Failed", ["run", "reason"], [[*item] for item in failures.items()])], intro)]


def settings_section(study: StudyFolder) -> Section:
    """The shared settings, and the widths of networks that were matched in size."""
    rows = [[name.replace("_", " "), _setting(getattr(study.training, name))] for name in study.record["training"]]
    caption = "Settings of all variants, except for what their names say"
    return Section("Settings", [Table(caption, ["setting", "value"], rows), *_matched_table(study)])


def _matched_table(study: StudyFolder) -> list[Table]:
    rows: list[list[Cell]] = [
        [
            name,
            ", ".join(map(str, network["widths"])),
            "parameters" if network["matched"] == "params" else "multiply-adds",
            f"{network['gap']:+.2%}",
        ]
        for name, network in study.record["networks"].items()
        if network.get("gap") is not None
    ]
    columns: list[str | Column] = ["variant", "widths", "matched in", Column("difference from 3x3", numeric=True)]
    return [Table("Variants of matched size", columns, rows)] if rows else []


def _setting(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
