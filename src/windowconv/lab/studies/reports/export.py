"""A study's folder without weights: the JSON of every run, small enough for a repository, which `report` reads."""

from __future__ import annotations

import json
from pathlib import Path

from windowconv.files import replace_file
from windowconv.lab.runs.records import STUDY
from windowconv.lab.studies.design.design import SEARCH
from windowconv.lab.studies.design.plan import START
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import analyse
from windowconv.lab.studies.reports.report import write_tables
from windowconv.lab.studies.reports.tables import all_tables, verdict_text

KEPT_KINDS = ("epoch", "leakage", "final")
"""The kinds of lines in metrics.jsonl that are exported; those of single steps are many, and nothing needs them."""


def export_study(study: StudyFolder, target: Path) -> Path:
    """Copy study.json, and of each finished run run.json, metrics.jsonl (without its steps) and evaluations/*.json;
    write the tables anew. Runs that are there already are replaced if they differ.

    Raises:
        InputError: a folder that cannot be written.
    """
    replace_file(target / STUDY, (study.folder / STUDY).read_bytes())
    folders = [run.folder for variant in study.design.variants for run in study.runs(variant).values()]
    folders += [path.parent for name in (SEARCH, START) for path in sorted(study.folder.glob(f"{name}/*/run.json"))]
    for folder in folders:
        _export_run(folder, target / folder.relative_to(study.folder))
    found = analyse(study)
    write_tables(target, all_tables(study, found), study.design.claim, verdict_text(study, found))
    return target


def _export_run(source: Path, target: Path) -> None:
    for path in [source / "run.json", *sorted((source / "evaluations").glob("*.json"))]:
        replace_file(target / path.relative_to(source), path.read_bytes())
    lines = (source / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if json.loads(line)["kind"] in KEPT_KINDS]
    replace_file(target / "metrics.jsonl", ("\n".join(kept) + "\n").encode())
