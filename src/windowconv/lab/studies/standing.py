"""Whether a study may decide on its claim: a design committed before its first run, carried out whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from windowconv.lab.runs.folder import Run
from windowconv.lab.studies.design.catalogue import STUDIES
from windowconv.lab.studies.design.design import Design
from windowconv.lab.studies.design.record import changed_fields, design_from_record, design_record
from windowconv.lab.studies.folder import StudyFolder

LEAST_SEEDS = 6
"""Of fewer seeds no study decides: the sign-flip test could not reach 0.05 with five."""


@dataclass(frozen=True)
class Standing:
    """How far a study carried out what was designed.

    Attributes:
        arms: with finished runs, and designed.
        seeds: that all those arms have, and designed.
        exploratory: why it decides nothing, whatever else is run; empty for a study that was preregistered.
        unfinished: what is missing before it decides.
    """

    arms: tuple[int, int]
    seeds: tuple[int, int]
    exploratory: tuple[str, ...]
    unfinished: tuple[str, ...]

    @property
    def decides(self) -> bool:
        """Whether "holds" and "does not hold" may be said."""
        return not self.exploratory and not self.unfinished

    def __str__(self) -> str:
        return f"{self.arms[0]} of {self.arms[1]} arms, {self.seeds[0]} of {self.seeds[1]} seeds"


def standing(study: StudyFolder) -> Standing:
    """How a study with a claim stands, by its record and those of its runs."""
    designed = _designed(study)
    runs = {v.name: study.runs(v) for v in study.design.variants}
    having = {name: set(held) for name, held in runs.items() if held}
    arms = (sum(v.name in having for v in designed.variants), len(designed.variants))
    common = set.intersection(*having.values()) if having else set()
    seeds = (len(common), designed.seeds)
    unfinished = []
    if arms[0] < arms[1]:
        missing = [v.name for v in designed.variants if v.name not in having]
        unfinished.append(f"without {', '.join(missing)}")
    if seeds[0] < seeds[1]:
        unfinished.append(f"only {seeds[0]} of {seeds[1]} seeds are finished in every arm")
    if seeds[0] < LEAST_SEEDS:
        unfinished.append(f"a verdict needs {LEAST_SEEDS} seeds")
    every = [run for held in runs.values() for run in held.values()]
    reasons = [*_of_the_design(study, designed), *_of_the_runs(every, study.record.get("registered"))]
    return Standing(arms, seeds, tuple(reasons), tuple(unfinished))


def _designed(study: StudyFolder) -> Design:
    """The design as it was registered; of studies from before there was that, the catalogue's, or their own."""
    registered = study.record.get("registered")
    if registered:
        return design_from_record(registered["design"])
    return STUDIES.get(study.design.name, study.design)


def _of_the_design(study: StudyFolder, designed: Design) -> list[str]:
    registered = study.record.get("registered")
    if not registered:
        return ["no commit with its design is on record from before the first run"]
    reasons = []
    code = registered["code"]
    if registered["commit"] is None or code is None:
        reasons.append("its design was in no commit before the first run")
    elif code["dirty"]:
        reasons.append("the code had uncommitted changes at its start")
    own, whole = design_record(study.design), design_record(designed.only(_shared(study.design, designed)))
    fields = changed_fields(whole, {**own, "seeds": whole["seeds"]})
    if fields:
        reasons.append(f"it differs from its design in: {', '.join(fields)}")
    if study.seeds > designed.seeds:
        reasons.append(f"it has {study.seeds} seeds, {designed.seeds} were designed")
    return reasons


def _shared(own: Design, designed: Design) -> tuple[str, ...]:
    """The designed variants that a study has; those that decide in any case, so that the rest can be compared."""
    names = {v.name for v in own.variants}
    needed = set() if designed.primary is None else set(designed.primary.variants)
    return tuple(v.name for v in designed.variants if v.name in names | needed)


def _of_the_runs(runs: list[Run], registered: Mapping[str, Any] | None) -> list[str]:
    counts: Counter[str] = Counter()
    for run in runs:
        git = run.record.get("git")
        if git is None:
            counts["of an installed package, whose commit is unknown"] += 1
        elif git["dirty"]:
            counts["of code with uncommitted changes"] += 1
        if registered and registered["committed"] and _older(run, registered["committed"]):
            counts["older than the commit of the design"] += 1
    return [f"{n} of {len(runs)} runs are {what}" for what, n in counts.items()]


def _older(run: Run, committed: str) -> bool:
    return datetime.fromisoformat(run.record["created"]) < datetime.fromisoformat(committed)
