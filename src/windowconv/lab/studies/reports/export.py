"""A study's folder without weights: the JSON of every run, small enough for a repository, on which `report` works."""

from __future__ import annotations

import json
from pathlib import Path

from windowconv.files import replace_file
from windowconv.lab.studies.design.plan import START
from windowconv.lab.studies.folder import STUDY, StudyFolder
from windowconv.lab.studies.reports.analysis import findings
from windowconv.lab.studies.reports.report import write_tables
from windowconv.lab.studies.reports.tables import all_tables, answer

KEPT_KINDS = ("epoch", "leakage", "final")
"""The lines of metrics.jsonl that go along; those of single steps are many and decide nothing."""


def export_study(study: StudyFolder, target: Path) -> Path:
    """Copy study.json, and of each finished run run.json, metrics.jsonl (without its steps) and evaluations/*.json;
    write the tables anew. Runs that are there already are replaced if they differ.

    Raises:
        InputError: a folder that cannot be written.
    """
    replace_file(target / STUDY, (study.folder / STUDY).read_bytes())
    places = [run.folder for variant in study.design.variants for run in study.runs(variant).values()]
    places += [path.parent for name in ("search", START) for path in sorted(study.folder.glob(f"{name}/*/run.json"))]
    for place in places:
        _export_run(place, target / place.relative_to(study.folder))
    found = findings(study)
    write_tables(target, all_tables(study, found), study.design.claim, answer(study, found))
    return target


def _export_run(source: Path, target: Path) -> None:
    for path in [source / "run.json", *sorted((source / "evaluations").glob("*.json"))]:
        replace_file(target / path.relative_to(source), path.read_bytes())
    lines = (source / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if json.loads(line)["kind"] in KEPT_KINDS]
    replace_file(target / "metrics.jsonl", ("\n".join(kept) + "\n").encode())
