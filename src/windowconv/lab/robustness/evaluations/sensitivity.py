"""How networks answer to shifts, and to perturbations of single frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Colours, Measurement, Runs
from windowconv.lab.robustness.conditions.record import HEAT_MAP, SHIFTS
from windowconv.lab.robustness.conditions.schemas import HeatMapValues, ShiftsValues
from windowconv.lab.robustness.evaluations.sampled import SampledEvaluation, check_count
from windowconv.lab.robustness.reports.sensitivity_report import heat_map_section, shifts_section
from windowconv.lab.runs.folder import Run
from windowconv.report import Section
from windowconv.spectra import fourier_heat_map, shift_consistency
from windowconv.spectra.batches import Progress

IMAGES = 500
HEAT_MAP_IMAGES = 200
HEAT_MAP_SIZE = 32  # frequencies a side: all of a small image, the lowest of a large one


class Shifts(SampledEvaluation):
    """How often two shifts of an image have two classes, for shifts of up to 1, 2, 4, ... pixels.

    Shifts are circular, and reach an eighth of the shorter side at most. Source: `spectra.shift_consistency`.
    """

    name = SHIFTS
    types = (ShiftsValues,)

    def __init__(self, count: int | None = IMAGES, seed: int = 0) -> None:
        super().__init__(count, seed)

    def options(self, images: Images) -> dict[str, Any]:
        return {"border": "circular", "reaches": _powers_of_two(min(images.shape[1:]) // 8)}

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        model, pixels = network.on(execution.device), self.sample(images).images
        reaches = self.options(images)["reaches"]
        shifts = [asdict(shift_consistency(model, pixels, max_shift=reach, seed=self.seed)) for reach in reaches]
        return Measurement({"shifts": shifts})

    def sections(self, runs: Runs, colours: Colours = None, images: Images | None = None) -> list[Section]:
        return [shifts_section(runs, colours, self.count_of(runs))]


class HeatMap(SampledEvaluation):
    """The Fourier heat map: the error under a perturbation of each frequency. Source: `spectra.fourier_heat_map`.

    Args:
        count, seed: as in `SampledEvaluation`.
        size: the lowest size x size frequencies; None for all, 32 x 32 at most.
        norm: L2 norm of each channel's perturbation; None for an eighth of the side: 4 at 32 pixels, as in the paper.
    """

    name = HEAT_MAP
    types = (HeatMapValues,)

    def __init__(
        self,
        count: int | None = HEAT_MAP_IMAGES,
        seed: int = 0,
        size: int | None = None,
        norm: float | None = None,
    ) -> None:
        super().__init__(count, seed)
        self.edge, self.norm = size, norm

    def options(self, images: Images) -> dict[str, Any]:
        side = min(images.shape[1:])
        return {
            "norm": side / 8 if self.norm is None else self.norm,
            "size": min(side, HEAT_MAP_SIZE) if self.edge is None else self.edge,
        }

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        model, sample = network.on(execution.device), self.sample(images)
        found = fourier_heat_map(model, sample.images, sample.labels, seed=self.seed, **self.options(images))
        maps = {"rows": found.rows, "columns": found.columns, "error": found.error}
        return Measurement(
            {"clean_error": found.clean_error, **{name: values.tolist() for name, values in maps.items()}}
        )

    def sections(self, runs: Runs, colours: Colours = None, images: Images | None = None) -> list[Section]:
        return [heat_map_section(runs, self.count_of(runs))]


def measure_shifts(
    runs: Sequence[Run],
    images: Images,
    *,
    count: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress = None,
) -> None:
    """Measure `Shifts` of runs, into `evaluations/shifts-on-N.json`; what is there already is kept.

    Args:
        runs, images, count, seed, device: as in `measure_conditions`.
        progress: called with the number of runs done and of all.

    Raises:
        InputError: as `measure_conditions`.
    """
    check_count(count, images)
    Shifts(count, seed).measure_runs(runs, images, device, progress)


def measure_heat_maps(
    runs: Sequence[Run],
    images: Images,
    *,
    count: int | None = HEAT_MAP_IMAGES,
    size: int | None = None,
    norm: float | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress = None,
) -> None:
    """Measure the `HeatMap` of runs, into `evaluations/heat-map-on-N.json`; what is there already is kept.

    Args:
        runs, images, seed, device: as in `measure_conditions`.
        count: at most so many test images, evenly over the classes; all if None.
        size, norm: as in `HeatMap`.
        progress: called with the number of runs done and of all.

    Raises:
        InputError: as `measure_conditions`; a size or a norm that cannot be.
    """
    HeatMap(count, seed, size, norm).measure_runs(runs, images, device, progress)


def _powers_of_two(most: int) -> list[int]:
    """1, 2, 4, ... up to `most`, and 1 at least."""
    return [1 << i for i in range(max(1, most).bit_length())]
