"""Which studies rest on the same runs: verdicts on shared runs are not independent of each other."""

from __future__ import annotations

from collections.abc import Sequence

from windowconv.lab.studies.reports.entries import Entry

RunId = tuple[str, str, str]
"""What tells a run from any other: the hash of its settings, its test images, when it began."""


def run_ids(entry: Entry) -> set[RunId]:
    """The runs of a study."""
    study = entry.study
    records = [run.record for variant in study.design.variants for run in study.runs(variant).values()]
    return {(record["config_hash"], record["data"]["test_hash"], record["created"]) for record in records}


def independent_sets(entries: Sequence[Entry]) -> list[list[Entry]]:
    """The studies, those together that share runs, directly or through another study."""
    sets: list[tuple[set[RunId], list[Entry]]] = []
    for entry in entries:
        ids, members = run_ids(entry), [entry]
        apart = []
        for known, others in sets:
            if known & ids:
                ids, members = known | ids, [*others, *members]
            else:
                apart.append((known, others))
        sets = [*apart, (ids, members)]
    return [members for _, members in sets]


def rests_on(entry: Entry, entries: Sequence[Entry]) -> str:
    """Which of its runs a study shares with which others, in a sentence; empty if none."""
    ids = run_ids(entry)
    shared = {other.name: len(ids & run_ids(other)) for other in entries if other.name != entry.name}
    named = [f"{name} ({n} of {len(ids)})" for name, n in shared.items() if n]
    return f"Shares runs with {', '.join(named)}." if named else ""
