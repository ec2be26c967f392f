"""Runs' consistency under shifts, and their Fourier heat maps, written into the run folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from windowconv.errors import InputError
from windowconv.lab.data.sets import Images
from windowconv.lab.robustness.conditions.conditions import as_floats
from windowconv.lab.robustness.conditions.record import Chosen, choose, earlier, heading, made_with, path_of
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import read_json, write_json
from windowconv.spectra import fourier_heat_map, shift_consistency
from windowconv.spectra.batches import Progress

SHIFTS = "shifts"
HEAT_MAP = "heat-map"
HEAT_MAP_IMAGES = 200
HEAT_MAP_SIZE = 32  # frequencies a side: all of a small picture, the lowest of a large one


def measure_shifts(
    runs: Sequence[Run],
    images: Images,
    *,
    count: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress = None,
) -> None:
    """How often each run calls an image the same after two shifts, into `evaluations/shifts-on-N.json`.

    Shifts are circular and reach 1, 2, 4, ... pixels, up to an eighth of the shorter side. What a run folder has
    already is not measured again.

    Args:
        runs, images, count, seed, device: as in `measure_conditions`.
        progress: called with runs done and their number.

    Raises:
        InputError: as `measure_conditions`.

    Source: see `windowconv.spectra.shift_consistency`.
    """
    chosen = choose(runs, images, count)
    reaches = _powers_of_two(min(images.shape[1:]) // 8)

    def measure(model: nn.Module) -> dict[str, Any]:
        pixels = as_floats(chosen.images)
        return {"shifts": [asdict(shift_consistency(model, pixels, max_shift=s, seed=seed)) for s in reaches]}

    _measure(runs, chosen, SHIFTS, seed, device, progress, {"border": "circular", "reaches": reaches}, measure)


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
    """Each run's error under a perturbation of each frequency, into `evaluations/heat-map-on-N.json`.

    What a run folder has already is not measured again.

    Args:
        runs, images, seed, device: as in `measure_conditions`.
        count: at most so many test images, evenly over the classes; all if None.
        size: the lowest size x size frequencies; by default all, but not more than 32.
        norm: of each channel's perturbation; by default an eighth of the side: 4 at 32 pixels, as in the paper.
        progress: called with runs done and their number.

    Raises:
        InputError: as `measure_conditions`; a size or a norm that cannot be.

    Source: see `windowconv.spectra.fourier_heat_map`.
    """
    chosen = choose(runs, images, min(count, len(images)) if count is not None else None)
    side = min(images.shape[1:])
    options = {"norm": side / 8 if norm is None else norm, "size": min(side, HEAT_MAP_SIZE) if size is None else size}

    def measure(model: nn.Module) -> dict[str, Any]:
        found = fourier_heat_map(model, as_floats(chosen.images), chosen.labels, seed=seed, **options)
        maps = {"rows": found.rows, "columns": found.columns, "error": found.error}
        return {"clean_error": found.clean_error, **{key: values.tolist() for key, values in maps.items()}}

    _measure(runs, chosen, HEAT_MAP, seed, device, progress, options, measure)


def read_measurement(run: Run, name: str, n: int) -> dict[str, Any]:
    """What `measure_shifts` ("shifts") or `measure_heat_maps` ("heat-map") wrote on n images."""
    return read_json(path_of(run, name, n))


def _measure(
    runs: Sequence[Run],
    chosen: Chosen,
    name: str,
    seed: int,
    device: torch.device | str,
    progress: Progress,
    options: dict[str, Any],
    measure: Callable[[nn.Module], dict[str, Any]],
) -> None:
    """What `measure` says of each run's network, into the run folders that do not have it."""
    for done, run in enumerate(runs, 1):
        head = heading(run, chosen, seed, **options)
        if earlier(run, name, head) is None:
            try:
                figures = measure(run.model().to(device))
            except InputError as error:
                raise InputError(f"{run.folder.name}: {error}") from error
            record = {"name": name, **head, "environment": made_with(device), "figures": figures}
            write_json(path_of(run, name, head["n"]), record)
        if progress is not None:
            progress(done, len(runs))


def _powers_of_two(most: int) -> list[int]:
    """1, 2, 4, ... up to `most`, and 1 at least."""
    return [1 << i for i in range(max(1, most).bit_length())]
