"""A study's report: one self-contained page, and its tables as Markdown, LaTeX and JSON beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from windowconv import plots
from windowconv.errors import InputError
from windowconv.files import replace_file
from windowconv.lab.config import Training
from windowconv.lab.evaluations.registry import find_metric
from windowconv.lab.progress import duration
from windowconv.lab.runs.folder import Run
from windowconv.lab.studies.design.catalogue import LIMITS
from windowconv.lab.studies.design.design import Design
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import Finding, Findings, baseline_warning, findings
from windowconv.lab.studies.reports.contrast_summary import plainly
from windowconv.lab.studies.reports.evaluation_sections import evaluation_sections
from windowconv.lab.studies.reports.provenance import facts
from windowconv.lab.studies.reports.tables import (
    RULE,
    all_tables,
    anchor,
    answer,
    contrasts_table,
    results_table,
    runs_table,
    tuned_table,
)
from windowconv.plots.contrasts import contrasts
from windowconv.report import Block, Column, Figure, Page, Section, Table, Text, as_json, as_latex, as_markdown, write

REPORT = "report.html"
Colours = dict[str, str]


def write_report(study: StudyFolder) -> Path:
    """Write report.html and tables.md, .tex and .json into the study's folder; returns the page's path.

    Raises:
        InputError: no run is finished yet; a folder that cannot be written.
    """
    if not study.finished:
        raise InputError(f"study={str(study.folder)!r}: none of its {study.wanted} runs is finished yet")
    found = findings(study)
    tables = all_tables(study, found)
    said = answer(study, found)
    write_tables(study.folder, tables, study.design.claim, said)
    names = [variant.name for variant in study.design.variants]
    colours = plots.arm_colours(names) if len(names) <= 13 else _cycled(names)
    sections = [
        _verdict_section(study, found),
        _results_section(study, colours),
        *evaluation_sections(study, colours),
        _curves_section(study, colours),
        *_failures_section(study),
        _settings_section(study),
        _runs_section(study),
    ]
    page = Page(
        f"Study {study.design.name}: {study.record['data']['name']}, {study.scale}", said, sections, facts(study)
    )
    return write(page, study.folder / REPORT)


def write_tables(folder: Path, tables: list[Table], claim: str, said: str) -> None:
    """The tables in three forms, with the claim and the verdict."""
    text = "\n\n".join([f"Claim: {claim}", said, *map(as_markdown, tables)])
    replace_file(folder / "tables.md", (text + "\n").encode())
    replace_file(folder / "tables.tex", ("\n\n".join(map(as_latex, tables)) + "\n").encode())
    record = {"claim": claim, "verdict": said, "tables": [as_json(table) for table in tables]}
    replace_file(folder / "tables.json", (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())


def _cycled(names: list[str]) -> Colours:
    """Colours that come again where there are more variants than colours: their curves are named in the text too."""
    palette = list(plots.arm_colours([str(i) for i in range(13)]).values())
    return {name: palette[i % len(palette)] for i, name in enumerate(names)}


def _verdict_section(study: StudyFolder, found: Findings) -> Section:
    design = study.design
    paragraphs = [f"Claim: {design.claim}", answer(study, found), f"Primary contrast: {found.primary.contrast}.", RULE]
    if said := plainly(found):
        paragraphs.insert(3, f"Contrasts by their 95 % intervals: {said}.")
    limits = [baseline_warning(study), design.limits, LIMITS.get(study.record["data"]["name"], "")]
    paragraphs += [text for text in limits if text]
    if study.scale != "paper":
        paragraphs.append("Networks of this size and training are far from the paper's.")
    shown = [each for each in (found.primary, *found.secondary) if each.differences]
    blocks: list[Block] = [Text("\n\n".join(paragraphs)), *_forests(shown, design), contrasts_table(study, found)]
    return Section("Claim and verdict", blocks)


def _forests(shown: list[Finding], design: Design) -> list[Figure]:
    """A figure for each thing that is compared, the primary one's first."""
    figures = []
    for name in dict.fromkeys(each.contrast.figure for each in shown):
        some = {_short(each): each for each in shown if each.contrast.figure == name}
        drawn = contrasts(
            {key: list(each.differences) for key, each in some.items()},
            {key: None if each.effect is None else each.effect.interval for key, each in some.items()},
            design.smallest if name == design.primary.figure else None,
            f"difference in {find_metric(name).title.removesuffix(' (%)')} (points), above 0 as claimed",
        )
        caption = f"Paired differences in {find_metric(name).title}, each named beforehand."
        figures.append(Figure(plots.svg(drawn), caption, f"Differences with intervals: {', '.join(some)}"))
    return figures


def _short(found: Finding) -> str:
    return str(found.contrast).partition(": ")[2]


def _results_section(study: StudyFolder, colours: Colours) -> Section:
    figure = study.design.primary.figure
    values = {v.name: list(study.values(v, figure).values()) for v in study.design.variants}
    values = {name: held for name, held in values.items() if held}
    blocks: list[Block] = [results_table(study), *tuned_table(study)]
    if values:
        title = find_metric(figure).title
        drawn = plots.accuracy_by_arm(values, xlabel=title, colours=colours)
        caption = f"{title}: each dot a seed, each diamond the mean with one standard deviation."
        alt = ", ".join(f"{name} {np.mean(held):.2f}" for name, held in values.items())
        blocks.append(Figure(plots.svg(drawn), caption, f"Dot plot of {title} by variant: {alt}"))
    return Section("Results", blocks, "Variants of one seed see the same batches, so their differences are paired.")


def _curves_section(study: StudyFolder, colours: Colours) -> Section:
    runs = {v.name: list(study.runs(v).values()) for v in study.design.variants}
    runs = {name: held for name, held in runs.items() if held}
    first = next(iter(runs.values()))[0].metrics("epoch")[-1]
    key = "val_accuracy" if "val_accuracy" in first else "test_accuracy"
    watched = key.removesuffix("_accuracy").replace("val", "validation")
    blocks: list[Block] = []
    for name, scale, label in ((key, 100, f"{watched} accuracy (%)"), ("train_loss", 1, "training loss")):
        curves: Any = {variant: [_curve(run, name, scale) for run in held] for variant, held in runs.items()}
        drawn = plots.learning_curves(curves, ylabel=label, colours=colours)
        caption = f"{label.capitalize()} after each epoch; thin lines are seeds, thick ones their mean."
        blocks.append(Figure(plots.svg(drawn), caption, f"Curves of {label} against epochs for each variant"))
    intro = (
        ""
        if key == "val_accuracy"
        else "Epochs are evaluated on the test images, to be watched: nothing is decided by it."
    )
    return Section("Learning curves", blocks, intro)


def _curve(run: Run, key: str, scale: float) -> tuple[list[int], list[float]]:
    lines = run.metrics("epoch")
    return [line["epoch"] for line in lines], [scale * line[key] for line in lines]


def _runs_section(study: StudyFolder) -> Section:
    """The table of all runs, and each one's curves, to which it leads."""
    blocks: list[Block] = [runs_table(study)]
    for variant in study.design.variants:
        for run in study.runs(variant).values():
            lines = run.metrics("epoch")
            watched = "val_accuracy" if "val_accuracy" in lines[-1] else "test_accuracy"
            curves: Any = {
                "training": [_curve(run, "train_accuracy", 100)],
                watched.removesuffix("_accuracy").replace("val", "validation"): [_curve(run, watched, 100)],
            }
            drawn = plots.learning_curves(curves, ylabel="accuracy (%)")
            final = run.final()
            caption = (
                f"{run.folder.name}: {100 * final['test_accuracy']:.2f} % of the test images, loss "
                f"{final['test_loss']:.4f}, {duration(final['time_s'])}. {run.record['command']}"
            )
            alt = f"Accuracy of {run.folder.name} against epochs"
            blocks.append(Figure(plots.svg(drawn), caption, alt, anchor=anchor(run)))
    return Section("Runs", blocks)


def _failures_section(study: StudyFolder) -> list[Section]:
    failures: dict[str, str] = study.record["failures"]
    if not failures:
        return []
    intro = "They were tried twice, and are missing above. The study's command tries them again."
    return [
        Section("Runs that failed", [Table("Failed", ["run", "reason"], [[*item] for item in failures.items()])], intro)
    ]


def _settings_section(study: StudyFolder) -> Section:
    training = Training.from_record(study.record["training"])
    rows = [[name.replace("_", " "), _setting(getattr(training, name))] for name in study.record["training"]]
    blocks: list[Block] = [
        Table("Settings that all variants share, but for what their names say", ["setting", "value"], rows)
    ]
    matched = [
        [name, ", ".join(map(str, n["widths"])), n["matched"], f"{n['gap']:+.2%}"]
        for name, n in study.record["networks"].items()
        if n.get("gap") is not None
    ]
    if matched:
        columns: list[str | Column] = ["variant", "widths", "matched in", Column("gap to 3x3", numeric=True)]
        blocks.append(Table("Variants of matched size", columns, matched))
    return Section("Settings", blocks)


def _setting(value: Any) -> str:
    if value is None:
        return "not set (all, or as they are)"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
