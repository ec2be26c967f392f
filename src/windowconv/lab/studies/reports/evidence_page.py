"""docs/evidence.md: what can be said and what cannot, the paper's claims, then every study."""

from __future__ import annotations

from collections.abc import Sequence

from windowconv.lab.statistics.paired import spread
from windowconv.lab.studies.design.catalogue import STUDIES
from windowconv.lab.studies.design.design import Design
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.best_result import TITLES
from windowconv.lab.studies.reports.contrast_summary import NOTE, contrast_summary
from windowconv.lab.studies.reports.entries import Entry, Evidence, all_entries
from windowconv.lab.studies.reports.key_findings import NOTE as SENTENCES_NOTE
from windowconv.lab.studies.reports.key_findings import how_firm, key_findings
from windowconv.lab.studies.reports.later_checks import later_checks
from windowconv.lab.studies.reports.limits import data_limits
from windowconv.lab.studies.reports.paper_claims import paper_claims
from windowconv.lab.studies.reports.run_sets import independent_sets, rests_on
from windowconv.lab.studies.reports.tables import all_tables
from windowconv.lab.studies.reports.verdict_text import RULE
from windowconv.report import as_markdown

UP = "../"
"""From the page to the checkout."""
SIZE_AND_WINDOW = (
    "7x7-hamming minus 3x3 measures kernel size and window together; 7x7-hamming minus 7x7 measures the window alone "
    "(see contrast by contrast)."
)
FIRST_LIMITS = (
    "The first evidence is of the paper's network, mostly made small, trained for a few epochs at one learning rate "
    "that nobody tuned for any arm ({accuracies}); such networks are far from any in use. No commit of a design is on "
    "record for it, and part of its runs are of code with uncommitted changes, so that none of it is a verdict."
)
ALL_LIMITS = (
    "An interval says how far another set of seeds may lead, on one network, one schedule and one test set; it says "
    "nothing of other networks. Times are left out: the machines did other work beside."
)
NOT_RUN = "not run at evidence scale"


def page(found: Evidence) -> str:
    """The page."""
    entries = all_entries(found)
    sentences = key_findings(entries, UP)
    parts = [
        "# Evidence",
        "Made by `windowconv evidence` from [results/studies](../results/studies): do not edit it. "
        "[studies.md](studies.md) explains how a study is run and judged.",
        f"**Limits.** {_limits(entries)}",
        *(["\n".join(sentences), f"{how_firm(entries)} {SENTENCES_NOTE}"] if sentences else []),
        "## The paper's claims",
        paper_claims(entries, UP),
        "## Rule and standing",
        RULE,
        _sets(entries),
        SIZE_AND_WINDOW,
        _overview(found),
        *_summaries(entries),
    ]
    for name, studies in found.items():
        parts += _chapters(studies, entries) if studies else _not_run(STUDIES[name])
    return "\n\n".join(parts) + "\n"


def _limits(entries: Sequence[Entry]) -> str:
    first = [entry.study for entry in entries if not entry.is_strong]
    return f"{FIRST_LIMITS.format(accuracies=_accuracies(first))} {ALL_LIMITS}" if first else ALL_LIMITS


def _accuracies(studies: Sequence[StudyFolder]) -> str:
    """What the 3x3 networks of some studies reach, by data set."""
    reached: dict[str, list[float]] = {}
    for study in studies:
        baseline = next((variant for variant in study.design.variants if variant.name == "3x3"), None)
        values = list(study.values(baseline, "accuracy").values()) if baseline else []
        if values:
            reached.setdefault(study.data, []).append(spread(values).mean)
    said = []
    for data, means in reached.items():
        low, high = round(min(means)), round(max(means))
        said.append(f"{low} %" if low == high else f"{low} to {high} %")
        said[-1] += f" on {TITLES.get(data, data)}"
    return f"3x3 reaches {' and '.join(said)}" if said else "no 3x3 network among them"


def _sets(entries: Sequence[Entry]) -> str:
    """How many studies decide, and on how many independent sets of runs all rest."""
    deciding, sets = sum(entry.standing.decides for entry in entries), independent_sets(entries)
    lines = [
        f"{deciding} of {len(entries)} studies decide. All rest on {len(sets)} independent sets of runs; studies of "
        "one set share runs, and what they find is not found twice:",
        "",
        *(f"{number}. {', '.join(f'`{entry.name}`' for entry in each)}" for number, each in enumerate(sets, 1)),
    ]
    return "\n".join(lines)


def _overview(found: Evidence) -> str:
    """A table of all studies and their verdicts."""
    lines = ["| study | claim | verdict |", "| :--- | :--- | :--- |"]
    for name, entries in found.items():
        if not entries:
            lines.append(f"| {name} | {STUDIES[name].claim} | {NOT_RUN} |")
        for entry in entries:
            cells = [entry.link(entry.name, UP), entry.study.design.claim, _verdict(entry)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _verdict(entry: Entry) -> str:
    return " ".join([entry.verdict, *later_checks(entry.study)])


def _summaries(entries: Sequence[Entry]) -> list[str]:
    """All contrasts of the studies that were run, those against their claims too."""
    summaries = {entry.name: contrast_summary(entry.analysis) for entry in entries}
    lines = [f"- `{name}`: {text}." for name, text in summaries.items() if text]
    return [f"**Contrast by contrast.** {NOTE}", "\n".join(lines)] if lines else []


def _not_run(design: Design) -> list[str]:
    contrasts = "; ".join(map(str, design.primaries))
    many = "Primary contrasts" if len(design.primaries) > 1 else "Primary contrast"
    return [f"## {design.name}", f"Claim: {design.claim}", f"{many}: {contrasts}.", f"*{NOT_RUN}*"]


def _chapters(studies: Sequence[Entry], entries: Sequence[Entry]) -> list[str]:
    parts = []
    for entry in studies:
        study = entry.study
        parts += [f"## {entry.name}", f"Claim: {study.design.claim}", f"**{entry.verdict}**", *later_checks(study)]
        parts += filter(None, [study.design.limits, data_limits(study), rests_on(entry, entries)])
        parts += [as_markdown(table) for table in all_tables(study, entry.analysis)]
        parts.append(_provenance(study))
    return parts


def _provenance(study: StudyFolder) -> str:
    data = study.record["data"]
    return (
        f"{study.finished} of {study.wanted} runs; {data['train']:,} training images ({data['train_hash'][:12]}), "
        f"{data['test']:,} test images ({data['test_hash'][:12]}); {study.environment('device')}, "
        f"torch {study.environment('torch')}, windowconv {study.environment('windowconv')}."
    )
