"""The part of `windowconv attack` that attacks nothing: corruptions, filtered images, shifts, the Fourier heat map."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from windowconv import plots
from windowconv.lab.data.sets import Images
from windowconv.lab.robustness.conditions.measure import measure_conditions
from windowconv.lab.robustness.conditions.sensitivity import measure_heat_maps, measure_shifts
from windowconv.lab.robustness.reports.comparison import by_arm
from windowconv.lab.robustness.reports.natural_report import natural_section
from windowconv.lab.robustness.reports.sensitivity_report import heat_map_section, shifts_section
from windowconv.lab.runs.folder import Run
from windowconv.report import Section

IMAGES = 500
"""Test images under each condition."""


def natural(runs: Sequence[Run], images: Images, count: int | None, seed: int, device: str) -> list[Section]:
    """Measure what is not there yet, and make the sections of the report.

    Args:
        runs: what to measure.
        images: the test images that they share.
        count: how many images under each condition; `IMAGES` if None.
        seed: of what conditions draw at random.
        device: where the networks run.
    """
    count = min(count or IMAGES, len(images))
    given = {"count": count, "seed": seed, "device": device}
    measure_conditions(runs, images, progress=_lines("conditions"), **given)
    measure_shifts(runs, images, progress=_lines("shifts, runs"), **given)
    measure_heat_maps(runs, images, seed=seed, device=device, progress=_lines("heat maps, runs"))
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
