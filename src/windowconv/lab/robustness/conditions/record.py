"""What measurements under natural conditions share: the same test images for all runs, and files that say which."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.data.sets import Images
from windowconv.lab.robustness.conditions.conditions import as_bytes
from windowconv.lab.robustness.sample import draw
from windowconv.lab.runs.environment import environment
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import read_json
from windowconv.lab.training.evaluate import check_fits
from windowconv.spectra.forward import check_bytes

LIBRARIES = ("imagecorruptions-imaug", "opencv-python", "scikit-image", "scipy", "pillow")
"""What pictures depend on."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """Test images in memory, and where they stand in their set.

    Attributes:
        images: uint8 (n, C, H, W).
        labels: int64 (n,).
        indices: their places in the test set; None for all of it.
        content_hash: of the whole test set.
        source: what the runs call the data.
    """

    images: Tensor
    labels: Tensor
    indices: list[int] | None
    content_hash: str
    source: str


def choose(runs: Sequence[Run], images: Images, count: int | None = None) -> Chosen:
    """Test images for measuring runs.

    Args:
        runs: all of one test set.
        images: that test set, all of it.
        count: how many of them, evenly over the classes, as `ImageSet.take` has it; all if None.

    Raises:
        InputError: no runs; images that are not the runs' test set; a count that it does not have.
    """
    if not runs:
        raise InputError("runs is empty; give one run folder or more")
    for run in runs:
        known = run.record["data"]
        check_fits(known, images)
        if images.content_hash != known["test_hash"]:
            raise InputError(
                f"{run.folder.name}: the test images here differ from those of the run (content hash "
                f"{images.content_hash[:12]}, the run's {known['test_hash'][:12]}); measure it on the set that it was "
                "tested on"
            )
    if count is not None and not 1 <= count <= len(images):
        raise InputError(f"count={count}; allowed: 1 to {len(images)} test images, or None for all")
    n = len(images) if count is None else count
    channels, height, width = images.shape
    check_bytes(f"{n:,} test images", 4 * n * channels * height * width, "Give a smaller count.")
    sample = draw(images, n)
    places = None if n == len(images) else sample.indices.tolist()
    return Chosen(as_bytes(sample.images), sample.labels, places, images.content_hash, runs[0].record["data"]["source"])


def heading(run: Run, chosen: Chosen, seed: int, **options: Any) -> dict[str, Any]:
    """What a file of measurements says it is of: images, weights, seed, options."""
    return {
        "source": chosen.source,
        "content_hash": chosen.content_hash,
        "n": len(chosen.labels),
        "indices": chosen.indices,
        "weights": hashlib.sha256(run.weights.read_bytes()).hexdigest(),
        "seed": seed,
        **options,
    }


def made_with(device: torch.device | str) -> dict[str, Any]:
    """Versions and hardware."""
    return {**environment(device), "libraries": {name: _version(name) for name in LIBRARIES}}


def path_of(run: Run, name: str, n: int, ending: str = "json") -> Path:
    """Where a measurement on so many images is: one on fewer replaces none on more."""
    return run.folder / "evaluations" / f"{name}-on-{n}.{ending}"


def shared_count(runs: Sequence[Run], name: str, count: int | None = None) -> int:
    """The number of images, the largest if none is given, on which all runs have a measurement.

    Raises:
        InputError: there is none.
    """
    shared: set[int] | None = None
    for run in runs:
        found = [path.stem.rpartition("-on-") for path in (run.folder / "evaluations").glob(f"{name}-on-*.json")]
        counts = {int(n) for before, _, n in found if before == name and n.isdigit()}
        shared = counts if shared is None else shared & counts
        if not shared or (count is not None and count not in shared):
            images = "" if count is None else f" on {count} images"
            images = images or ("" if not counts else " on as many images as the others")
            raise InputError(f"{run.folder.name} has no evaluations/{name}-on-N.json{images}; measure it first")
    assert shared
    return max(shared) if count is None else count


def earlier(run: Run, name: str, head: dict[str, Any]) -> dict[str, Any] | None:
    """What a run folder has of the same images, seed, options and weights; None if there is nothing.

    Raises:
        InputError: it is of other images, another seed or other options: what took hours is not overwritten.
    """
    path = path_of(run, name, head["n"])
    if not path.is_file():
        return None
    record = read_json(path)
    if record.get("weights") != head["weights"]:  # of a network that is no more
        return None
    for key, wanted in head.items():
        if record.get(key) != wanted:
            raise InputError(
                f"{run.folder.name}: evaluations/{path.name} is of {key}={_short(record.get(key))}, not "
                f"{_short(wanted)}; measure with the former, or remove that file"
            )
    return record


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} of them"
    return "all" if value is None else str(value)[:12]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
