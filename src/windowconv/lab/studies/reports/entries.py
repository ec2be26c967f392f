"""The studies that are evidence: exported, at a scale that means something, with their contrasts measured."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from windowconv.lab.runs.records import STUDY
from windowconv.lab.studies.design.catalogue import STUDIES
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import Analysis, analyse, baseline_warning
from windowconv.lab.studies.reports.verdict_text import verdict_text
from windowconv.lab.studies.standing import Standing, standing

RESULTS = Path("results/studies")
STRONG_SCALES = ("strong", "strong-wide")
FIRST_SCALES = ("small", "paper")
"""Of the first evidence, on the paper's network."""
EVIDENCE_SCALES = (*FIRST_SCALES, *STRONG_SCALES)


class Entry:
    """An exported study, with its contrasts measured.

    Args:
        study: with finished runs.
    """

    def __init__(self, study: StudyFolder) -> None:
        self.study = study
        self.name = study.folder.name

    @cached_property
    def analysis(self) -> Analysis:
        """Its contrasts."""
        return analyse(self.study)

    @cached_property
    def standing(self) -> Standing:
        """Whether it decides."""
        return standing(self.study)

    @property
    def is_strong(self) -> bool:
        """Whether it is of the strong regime, rather than of the first evidence."""
        return self.study.scale in STRONG_SCALES

    @property
    def verdict(self) -> str:
        """In sentences, with a warning where the study does not count."""
        return f"{verdict_text(self.study, self.analysis)} {baseline_warning(self.study)}".strip()

    def link(self, text: str, up: str = "") -> str:
        """A link in Markdown to its tables; `up` leads from the page to the checkout."""
        return f"[{text}]({up}{RESULTS.as_posix()}/{self.name}/tables.md)"


Evidence = dict[str, list[Entry]]
"""The exported studies at evidence scale by the name of their design, of which every one with a claim is a key."""


def read_evidence(checkout: Path) -> Evidence:
    """The evidence under results/studies/ of a checkout."""
    found: Evidence = {name: [] for name, design in STUDIES.items() if design.claim}
    for path in sorted((checkout / RESULTS).glob(f"*/{STUDY}")):
        study = StudyFolder.open(path.parent)
        if study.design.claim and study.scale in EVIDENCE_SCALES and study.finished:
            found.setdefault(study.design.name, []).append(Entry(study))
    return found


def all_entries(found: Evidence) -> list[Entry]:
    """Every study that was run, in the catalogue's order."""
    return [entry for entries in found.values() for entry in entries]
