"""Runs without weights, as an export has them: settings, curves and measures, a few kilobytes each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from windowconv.files import replace_file
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.log import read_log
from windowconv.lab.runs.records import read_json

KEPT_KINDS = ("epoch", "leakage", "final")
"""The kinds of lines in metrics.jsonl that are exported; those of single steps are many, and nothing needs them."""

RESULTS = ("figures", "conditions")
"""Where the records of evaluations have what was measured."""


def export_run(source: Path, target: Path) -> None:
    """Copy a run's run.json, metrics.jsonl without its steps, and evaluations/*.json. run.json comes last, so that a
    copy that was cut short is no run."""
    kept = [json.dumps(line) for line in read_log(source, KEPT_KINDS)]
    replace_file(target / "metrics.jsonl", ("\n".join(kept) + "\n").encode())
    for path in [*sorted((source / "evaluations").glob("*.json")), source / "run.json"]:
        replace_file(target / path.relative_to(source), path.read_bytes())


def disagreement(run: Run, exported: Run) -> str:
    """What differs between a run and its export, in words; empty if nothing does."""
    if run.record != exported.record:
        names = [
            name for name in {**run.record, **exported.record} if run.record.get(name) != exported.record.get(name)
        ]
        return f"run.json: {', '.join(names)}"
    if run.final() != exported.final():
        return "the last line of metrics.jsonl"
    for path in sorted((exported.folder / "evaluations").glob("*.json")):
        own = run.folder / "evaluations" / path.name
        if own.is_file() and _differ(read_json(own), read_json(path)):
            return f"evaluations/{path.name}"
    return ""


def _differ(own: Mapping[str, Any], exported: Mapping[str, Any]) -> bool:
    """Whether an evaluation has other results with the same settings; with others, it was measured anew since."""
    return own.get("settings") == exported.get("settings") and any(own.get(key) != exported.get(key) for key in RESULTS)
