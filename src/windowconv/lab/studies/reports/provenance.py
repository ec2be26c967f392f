"""What the head of a study's page says of its runs: data, hardware, versions, commits."""

from __future__ import annotations

from windowconv.lab.progress import duration
from windowconv.lab.runs.folder import Run
from windowconv.lab.studies.folder import StudyFolder

NAMED_COMMITS = 3  # more of them are counted: each run's record has its own


def facts(study: StudyFolder) -> dict[str, str]:
    """Names and values, in the order in which they are shown.

    Args:
        study: with one finished run at least.
    """
    record = study.record
    data = record["data"]
    facts = {
        "data": f"{data['source']}: {data['train']:,} training and {data['test']:,} test images",
        "content hash": f"{data['train_hash'][:12]} (train), {data['test_hash'][:12]} (test)",
        "runs": f"{study.finished} of {study.wanted} ({study.seeds} seeds)",
        "hardware": study.environment("device"),
        "versions": ", ".join(
            f"{name} {study.environment(name)}" for name in ("windowconv", "torch", "numpy", "python")
        ),
        "commits of the runs": _commits([run for v in study.design.variants for run in study.runs(v).values()]),
        "state": record["status"],
    }
    if "time_s" in record:
        facts["training time of all runs"] = duration(record["time_s"])
    return facts


def _commits(runs: list[Run]) -> str:
    """The commits in the order of the runs; many of them as their number, the first and the last."""
    named = list(dict.fromkeys(_commit(run) for run in sorted(runs, key=lambda run: run.record["created"])))
    if len(named) <= NAMED_COMMITS:
        return ", ".join(named)
    return f"{len(named)}, from {named[0]} to {named[-1]}; each run's own is in its run.json"


def _commit(run: Run) -> str:
    git = run.record["git"]
    return "installed package" if git is None else git["commit"][:12] + (" (with changes)" if git["dirty"] else "")
