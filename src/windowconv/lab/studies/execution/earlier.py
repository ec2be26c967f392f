"""What a study goes on from: its own record, or that of its export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.lab.runs.records import STUDY
from windowconv.lab.studies.folder import StudyFolder

KEPT = ("algorithms", "tuned", "searched", "tuning", "reused", "sources", "diverged")
"""The parts of study.json that hold choices which were made, and what came of runs that cannot be made again."""
AGREED = ("registered", "tuned", "tuning", "algorithms")


def earlier_record(folder: Path, export: Path | None) -> dict[str, Any] | None:
    """study.json as the study's folder has it, or else its export; None for a study that begins.

    Raises:
        InputError: both have one, and they disagree on what was chosen.
    """
    own, exported = _record(folder), _record(export)
    if own is None or exported is None:
        return own or exported
    for name in AGREED:
        mine, theirs = own.get(name), exported.get(name)
        if mine and theirs and _clash(mine, theirs):
            raise InputError(
                f"{folder / STUDY} and its export {export} disagree ({name}); remove the one that is wrong"
            )
    return own


def _record(folder: Path | None) -> dict[str, Any] | None:
    return StudyFolder.open(folder).record if folder is not None and (folder / STUDY).is_file() else None


def _clash(mine: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether anything differs that both have; either may be ahead of the other."""
    return any(mine[name] != theirs[name] for name in mine.keys() & theirs.keys())
