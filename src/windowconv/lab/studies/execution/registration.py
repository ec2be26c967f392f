"""What was fixed before a study's first run: its design, and the commit in which that stands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from windowconv.lab.runs.environment import git_commit, last_commit
from windowconv.lab.studies.design.catalogue import design_file, find_design
from windowconv.lab.studies.design.plan import Plan
from windowconv.lab.studies.design.record import design_record


def register(plan: Plan) -> dict[str, Any] | None:
    """What study.json says of the design that the plan follows, before any run.

    Returns:
        The catalogue's design, whatever of it is run; the last commit of the file in which it stands; the commit of
        the running code and whether that was changed. None for a design that no file of the catalogue has.
    """
    file = design_file(plan.design.name)
    if file is None:
        return None
    design = find_design(plan.design.name)
    if (plan.design.recipe, plan.design.data) != (design.recipe, design.data):
        design = design.on(plan.data)
    record: dict[str, Any] = {"design": design_record(design), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    return record | {"commit": None, "committed": None, **(last_commit(file) or {}), "code": git_commit()}
