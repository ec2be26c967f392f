"""A study's report: one self-contained page, and its tables as Markdown, LaTeX and JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import numpy as np

from windowconv import plots
from windowconv.errors import InputError
from windowconv.files import replace_file
from windowconv.lab.evaluations.registry import find_metric
from windowconv.lab.statistics.paired import spread
from windowconv.lab.studies.folder import StudyFolder, refuse_damaged
from windowconv.lab.studies.reports.analysis import Analysis, analyse
from windowconv.lab.studies.reports.claim_section import claim_section
from windowconv.lab.studies.reports.evaluation_sections import evaluation_sections
from windowconv.lab.studies.reports.kernel_sections import kernel_sections
from windowconv.lab.studies.reports.leakage_by_layer import leakage_by_layer_section
from windowconv.lab.studies.reports.provenance import counted, provenance
from windowconv.lab.studies.reports.run_sections import (
    curves_section,
    failures_section,
    runs_section,
    settings_section,
)
from windowconv.lab.studies.reports.tables import all_tables, further_table, pairs_table, results_table
from windowconv.lab.studies.reports.tuning_tables import tuned_table
from windowconv.lab.studies.reports.verdict_text import verdict_text
from windowconv.phases import phase
from windowconv.plots.colours import COLOURS
from windowconv.report import (
    Block,
    Figure,
    Page,
    Section,
    Table,
    as_json,
    as_markdown,
    latex_file,
    write,
)

REPORT = "report.html"
FIGURES = "figures"
FEW_SEEDS = 5
Colours = dict[str, str]


def write_report(study: StudyFolder, figures: Sequence[plots.FigureFormat] = ()) -> Path:
    """Write report.html and tables.md, .tex and .json into the study's folder; returns the page's path.

    Args:
        study: with finished runs.
        figures: formats in which the page's figures are written too, into the folder figures/ beside it.

    Raises:
        InputError: no run is finished yet; a folder that cannot be written.
    """
    refuse_damaged(study.folder, study.run_folders())
    if not study.finished:
        raise InputError(f"study={str(study.folder)!r}: none of its {study.wanted} runs is finished yet")
    with phase("drawing the report"), plots.figure_files(study.folder / FIGURES, figures) as write_figures:
        found = analyse(study)
        write_tables(study.folder, all_tables(study, found), study.design.claim, verdict_text(study, found))
        page = _page(study, found)
        write_figures(page)
        return write(page, study.folder / REPORT)


def _page(study: StudyFolder, found: Analysis) -> Page:
    colours = _colours([variant.name for variant in study.design.variants])
    sections = [
        *claim_section(study, found),
        _results_section(study, colours),
        *evaluation_sections(study, colours),
        *leakage_by_layer_section(study, colours),
        curves_section(study, colours),
        *kernel_sections(study),
        *failures_section(study),
        settings_section(study),
        runs_section(study),
    ]
    return Page(title(study), verdict_text(study, found) or _accuracies(study), sections, provenance(study))


def write_tables(folder: Path, tables: list[Table], claim: str, verdict: str) -> None:
    """Write the tables in three forms, with the claim and the verdict, if there are such."""
    for name, text in table_files(tables, claim, verdict).items():
        replace_file(folder / name, text.encode())


def table_files(tables: list[Table], claim: str, verdict: str) -> dict[str, str]:
    """The tables in three forms, by the names of their files."""
    head = [f"Claim: {claim}", verdict] if claim else []
    record = {"claim": claim, "verdict": verdict, "tables": [as_json(table) for table in tables]}
    return {
        "tables.md": "\n\n".join([*head, *map(as_markdown, tables)]) + "\n",
        "tables.tex": latex_file(tables),
        "tables.json": json.dumps(record, indent=1, ensure_ascii=False) + "\n",
    }


def title(study: StudyFolder) -> str:
    """The study's name, data and scale; without a claim, its variants and data."""
    if study.design.claim:
        return f"Study {study.design.name}: {study.data}, {study.scale}"
    return f"{' / '.join(variant.name for variant in study.design.variants)} on {study.data}"


def _colours(names: list[str]) -> Colours:
    """A colour for each variant; they repeat where there are too many variants, which figures name in text too."""
    if len(names) <= len(COLOURS):
        return plots.arm_colours(names)
    return dict(zip(names, cycle(COLOURS), strict=False))


def _accuracies(study: StudyFolder) -> str:
    """The mean accuracies in a sentence, with the warning that few seeds need."""
    values = {v.name: list(study.values(v, "accuracy").values()) for v in study.design.variants}
    means = {name: spread(held).mean for name, held in values.items() if held}
    text = "Test accuracy: "
    text += ", ".join(f"{name} {means[name]:.2f} %" for name in sorted(means, key=lambda name: -means[name]))
    text += (
        f" (mean over {counted(study.seeds, 'seed')}, {counted(study.training.epochs, 'epoch')}, "
        f"{study.record['data']['train']:,} training images). "
    )
    if study.finished < study.wanted:
        text += f"Provisional: {study.finished} of {study.wanted} runs are finished. "
    if study.seeds < FEW_SEEDS:
        few = "One seed cannot tell a difference" if study.seeds == 1 else "So few seeds cannot tell small differences"
        text += f"{few} from chance: run more before drawing conclusions. "
    if study.data == "gratings":
        text += "The images are generated gratings, not photographs. "
    return text + "Networks of this size and training are far from the paper's."


def _results_section(study: StudyFolder, colours: Colours) -> Section:
    contrast, *_ = study.design.contrasts or (None,)
    metric = "accuracy" if contrast is None else contrast.metric
    values = {v.name: list(study.values(v, metric).values()) for v in study.design.variants}
    values = {name: held for name, held in values.items() if held}
    pairs = pairs_table(study) if contrast is None else []
    blocks: list[Block] = [results_table(study), *further_table(study), *pairs, *tuned_table(study)]
    if values:
        name = find_metric(metric).title
        drawn = plots.accuracy_by_arm(values, xlabel=name, colours=colours)
        caption = f"{name.capitalize()}: each dot is a seed, each diamond the mean with one standard deviation."
        alt = ", ".join(f"{variant} {np.mean(held):.2f}" for variant, held in values.items())
        blocks.append(Figure(plots.svg(drawn), caption, f"Dot plot of {name} by variant: {alt}"))
    return Section("Results", blocks, "Variants of one seed see the same batches, so their differences are paired.")
