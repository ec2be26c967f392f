"""A study's folder without weights: the JSON of every run, small enough for a repository, which `report` reads."""

from __future__ import annotations

from pathlib import Path

from windowconv.files import replace_file
from windowconv.lab.runs.records import STUDY
from windowconv.lab.studies.design.design import SEARCH
from windowconv.lab.studies.design.plan import START
from windowconv.lab.studies.exported_runs import export_run
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import analyse
from windowconv.lab.studies.reports.report import write_tables
from windowconv.lab.studies.reports.tables import all_tables
from windowconv.lab.studies.reports.verdict_text import verdict_text


def export_study(study: StudyFolder, target: Path) -> Path:
    """Copy study.json, and of each finished run run.json, metrics.jsonl (without its steps) and evaluations/*.json;
    write the tables anew. Runs that are there already are replaced if they differ.

    Raises:
        InputError: a folder that cannot be written.
    """
    replace_file(target / STUDY, (study.folder / STUDY).read_bytes())
    folders = [run.folder for variant in study.design.variants for run in study.runs(variant).values()]
    folders += [path.parent for name in (SEARCH, START) for path in sorted(study.folder.glob(f"{name}/*/run.json"))]
    folders += [
        study.folder / name for name in study.record["failures"] if (study.folder / name / "run.json").is_file()
    ]
    for folder in folders:
        export_run(folder, target / folder.relative_to(study.folder))
    found = analyse(study)
    write_tables(target, all_tables(study, found), study.design.claim, verdict_text(study, found))
    return target
