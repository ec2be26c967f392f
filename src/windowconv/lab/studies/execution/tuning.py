"""Choosing settings for each variant before a study's runs, on held-out training images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.lab.runs.folder import finished_run
from windowconv.lab.studies.design.plan import Chosen, Plan, PlannedRun, tuning_folder
from windowconv.lab.studies.design.tuning import Grid, Scores, best_values, widened


def tune(
    plan: Plan, folder: Path, diverged: Callable[[str], bool], finish: Callable[[Sequence[PlannedRun]], None]
) -> dict[str, Any]:
    """Carry out a design's tuning, or go on with it.

    Args:
        plan: of a design with a tuning.
        folder: the study's.
        diverged: whether the run in this folder diverged.
        finish: trains runs, as far as they are not finished.

    Returns:
        By setting: the grid, the validation accuracies by variant and value (None for a run that diverged), and what
        was chosen; for study.json.

    Raises:
        InputError: runs of the search failed for another reason than that they diverged; all of a variant's diverged.
    """
    assert plan.design.tuning
    found: dict[str, Any] = {}
    for name, factors in plan.design.tuning.settings:
        grid = plan.design.tuning.grid(factors, getattr(plan.shared, name))
        widenings = 0
        while True:
            finish(plan.tuning_runs(name, grid, chosen_values(found)))
            scores = _scores(plan, folder, name, grid, diverged)
            best = best_values(scores)
            wider = widened(grid, best)
            if wider == grid or widenings == plan.design.tuning.widenings:
                break
            grid, widenings = wider, widenings + 1
        accuracies = {variant: {f"{v:g}": a for v, a in tried.items()} for variant, tried in scores.items()}
        found[name] = {"grid": list(grid), "validation_accuracy": accuracies, "chosen": best}
    return found


def chosen_values(record: dict[str, Any]) -> Chosen:
    """The settings that `tune` chose, by variant."""
    variants = dict.fromkeys(variant for found in record.values() for variant in found["chosen"])
    return {variant: {name: found["chosen"][variant] for name, found in record.items()} for variant in variants}


def _scores(plan: Plan, folder: Path, name: str, grid: Grid, diverged: Callable[[str], bool]) -> Scores:
    scores: dict[str, dict[float, float | None]] = {}
    for variant in plan.design.variants:
        for value in grid:
            place = tuning_folder(variant, name, value)
            run = finished_run(folder / place)
            if run is None and not diverged(place):
                raise InputError(f"{place} failed, so that nothing can be chosen; the same command tries it again")
            scores.setdefault(variant.name, {})[value] = None if run is None else run.final()["val_accuracy"]
    return scores
