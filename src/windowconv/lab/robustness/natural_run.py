"""The part of `windowconv attack` that attacks nothing: corruptions, filtered images, shifts, the Fourier heat map."""

from __future__ import annotations

from collections.abc import Sequence

from windowconv import plots
from windowconv.lab.data.sets import Images
from windowconv.lab.progress import show_progress
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
    without_count = {"seed": seed, "device": device}
    for name, measure, options in (
        ("conditions", measure_conditions, given),
        ("shifts, runs", measure_shifts, given),
        ("heat maps, runs", measure_heat_maps, without_count),
    ):
        with show_progress() as progress:
            measure(runs, images, progress=progress.counter(name), **options)
    compared = by_arm(runs)
    colours = plots.arm_colours(compared)
    return [
        natural_section(compared, images, colours, count),
        shifts_section(compared, colours, count),
        heat_map_section(compared),
    ]
