"""The part of `windowconv attack` that attacks nothing: corruptions, filtered images, shifts, the Fourier heat map."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from windowconv import plots
from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.robustness.conditions.measure import measure_conditions
from windowconv.lab.robustness.conditions.sensitivity import measure_heat_maps, measure_shifts
from windowconv.lab.robustness.reports.comparison import by_arm
from windowconv.lab.robustness.reports.natural_report import natural_section
from windowconv.lab.robustness.reports.sensitivity_report import heat_map_section, shifts_section
from windowconv.lab.runs.folder import Run
from windowconv.report import Section

if TYPE_CHECKING:
    from windowconv.lab.commands.attack import Attack

IMAGES = 500
"""Test images under each condition."""


def natural(runs: Sequence[Run], images: Images, command: Attack, execution: Execution) -> list[Section]:
    """Measure what is not there yet, and make the sections of the report."""
    count = min(command.images or IMAGES, len(images))
    given = {"count": count, "seed": command.seed, "device": execution.device}
    measure_conditions(runs, images, progress=_lines("conditions"), **given)
    measure_shifts(runs, images, progress=_lines("shifts, runs"), **given)
    measure_heat_maps(runs, images, seed=command.seed, device=execution.device, progress=_lines("heat maps, runs"))
    compared = by_arm(runs)
    colours = plots.arm_colours(compared)
    return [
        natural_section(compared, images, colours, count),
        shifts_section(compared, colours, count),
        heat_map_section(compared),
    ]


def _lines(what: str) -> Callable[[int, int], None]:
    """A line for every tenth of the way."""

    def show(done: int, total: int) -> None:
        if done == total or done * 10 // total > (done - 1) * 10 // total:
            print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)

    return show
