"""A comparison from its settings to its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from windowconv.errors import check_installed
from windowconv.lab.config import Execution
from windowconv.lab.data import ImageData
from windowconv.lab.studies.grid.report import write_report
from windowconv.lab.studies.grid.search import search_rates
from windowconv.lab.studies.grid.study import Study, StudyResult, run_study
from windowconv.lab.training.distributed import configure, is_first_process
from windowconv.lab.training.loading import read_data
from windowconv.plots import arm_colours


def compare(
    study: Study,
    data: str | ImageData,
    out: Path,
    *,
    root: Path | None = None,
    execution: Execution | None = None,
    seeds_at_once: int = 1,
    rates: Sequence[float] = (),
) -> tuple[StudyResult, Path | None]:
    """Train a study's runs and write its report.

    Args:
        study: arms, seeds and settings.
        data: what `load` takes, or the images themselves, all of them.
        out: the study's folder.
        root: the folder that `load` looks in; None for its own choice.
        execution: device, threads, checkpoints.
        seeds_at_once: how many seeds of an arm are trained at once.
        rates: learning rates to try for each arm first, on the validation images.

    Returns:
        The study and its report's path, which torchrun's first process alone has.

    Raises:
        InputError: images that are not there; as `search_rates` and `run_study`.
    """
    execution = execution or Execution()
    check_installed("report", "matplotlib", "jinja2")  # missed now rather than after the training
    arm_colours(study.arms)
    configure(execution)
    images = read_data(data, root, study.training) if isinstance(data, str) else data
    search = None
    if rates:
        found = search_rates(study, rates, images, out, execution)
        study, search = replace(study, rates=found.best), found.record()
    result = run_study(study, images, out, execution, seeds_at_once=seeds_at_once, search=search)
    return result, write_report(result) if is_first_process() else None
