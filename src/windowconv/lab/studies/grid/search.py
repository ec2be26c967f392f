"""A small search for each arm's learning rate, on the validation images alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.lab.config import Execution, RunConfig
from windowconv.lab.data import ImageData
from windowconv.lab.progress import show_progress
from windowconv.lab.runs.folder import Run
from windowconv.lab.studies.design.plan import SEARCH, SEARCH_SEED
from windowconv.lab.studies.grid.study import Study, arm_specs, is_finished
from windowconv.lab.training.distributed import is_first_process
from windowconv.lab.training.loading import limit_images
from windowconv.lab.training.train import train
from windowconv.tables import format_table


@dataclass(frozen=True)
class Found:
    """Validation accuracies by arm and rate, and the best rate of each arm."""

    accuracies: dict[str, dict[float, float]]

    @property
    def best(self) -> dict[str, float]:
        """The rate with the highest accuracy; of equal ones the smallest."""
        return {arm: max(sorted(values), key=lambda lr: values[lr]) for arm, values in self.accuracies.items()}

    def record(self) -> dict[str, Any]:
        """For study.json."""
        values = {arm: {f"{rate:g}": v for rate, v in by_rate.items()} for arm, by_rate in self.accuracies.items()}
        return {"seed": SEARCH_SEED, "validation_accuracy": values}

    def __str__(self) -> str:
        rates = sorted(next(iter(self.accuracies.values())))
        rows = []
        for arm, values in self.accuracies.items():
            cells = [f"{100 * values[rate]:.2f}" for rate in rates]
            best = self.best[arm]
            edge = " (the grid's end: try beyond)" if len(rates) > 1 and best in (rates[0], rates[-1]) else ""
            rows.append([arm, *cells, f"{best:g}{edge}"])
        return format_table(["arm", *(f"lr {rate:g}" for rate in rates), "best"], rows)


def search_rates(
    study: Study, rates: Sequence[float], data: ImageData, folder: Path, execution: Execution | None = None
) -> Found:
    """Train each arm once at each rate and compare on the validation images; the test set is not touched.

    One rate for all arms favours one of them: a window scales the effective step. The runs have a seed of their own and
    are kept in `search/`, so that a search that was cut goes on.

    Args:
        study: arms and settings; its `training.val_fraction` says which images decide.
        rates: to try.
        data: all images.
        folder: the study's.
        execution: device, threads, checkpoints.

    Raises:
        InputError: no validation images, rates that are not positive or come twice; as `train`.
    """
    if not study.training.val_fraction:
        raise InputError("lr-search needs --val-fraction, such as 0.1: the test set decides nothing")
    if len(set(rates)) != len(rates) or not all(rate > 0 for rate in rates):
        raise InputError(f"lr-search={list(rates)}; allowed: positive rates, each once")
    data = limit_images(data, study.training)
    specs = arm_specs(study, data)
    accuracies: dict[str, dict[float, float]] = {arm: {} for arm in study.arms}
    todo = [(arm, rate) for arm in study.arms for rate in rates]
    with show_progress([specs[arm].macs for arm, _ in todo]) as progress:
        for arm, rate in todo:
            config: RunConfig = replace(study.config(arm, SEARCH_SEED), lr=rate, purpose="search")
            place = folder / SEARCH / f"{arm.replace(':', '_')}-lr{rate:g}"
            if is_finished(config, data, place):
                progress.skip_run(place.name)
            else:
                train(config, data, place, progress, execution)
            accuracies[arm][rate] = Run.open(place).final()["val_accuracy"]
    found = Found(accuracies)
    if is_first_process():
        print(f"Validation accuracy (%) by learning rate\n{found}", file=sys.stderr)
    return found
