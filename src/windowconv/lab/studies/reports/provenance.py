"""Where a study's numbers come from, for the head of its page: data, hardware, versions, commits."""

from __future__ import annotations

from collections import Counter

from windowconv.lab.progress import duration
from windowconv.lab.runs.folder import Run
from windowconv.lab.studies.folder import StudyFolder

NAMED_COMMITS = 3
"""Of more than these, the page gives the number: each run's record has its own."""


def provenance(study: StudyFolder) -> dict[str, str]:
    """Names and values, in the order in which they are shown.

    Args:
        study: with one finished run at least.
    """
    record = study.record
    data = record["data"]
    found = {
        "data": f"{data['source']}: {data['train']:,} training and {data['test']:,} test images",
        "content hash": f"{data['train_hash'][:12]} (train), {data['test_hash'][:12]} (test)",
        "runs": f"{study.finished} of {study.wanted} ({counted(study.seeds, 'seed')})",
        "hardware": f"{study.environment('device')}, {_threads(study.environment('threads'))}",
        "versions": ", ".join(
            f"{name} {study.environment(name)}" for name in ("windowconv", "torch", "numpy", "python")
        ),
        "commits of the runs": _commits([run for v in study.design.variants for run in study.runs(v).values()]),
        "state": record["status"],
    }
    sources = Counter(record.get("sources", {}).values())
    if sources:
        found["runs of other studies"] = ", ".join(f"{n} of {name}" for name, n in sources.items())
    if "time_s" in record:
        found["training time of all runs"] = duration(record["time_s"])
    return found


def counted(n: int, thing: str) -> str:
    """A number of things.

    >>> counted(1, "seed"), counted(8, "seed")
    ('1 seed', '8 seeds')
    """
    return f"{n:,} {thing}" + ("" if n == 1 else "s")


def _threads(numbers: str) -> str:
    return "1 thread" if numbers == "1" else f"{numbers} threads"


def _commits(runs: list[Run]) -> str:
    """The commits in the order of the runs; many of them as their number, the first and the last."""
    named = list(dict.fromkeys(_commit(run) for run in sorted(runs, key=lambda run: run.record["created"])))
    if len(named) <= NAMED_COMMITS:
        return ", ".join(named)
    return f"{len(named)}, from {named[0]} to {named[-1]}; each run's own is in its run.json"


def _commit(run: Run) -> str:
    git = run.record["git"]
    return "installed package" if git is None else git["commit"][:12] + (" (with changes)" if git["dirty"] else "")
