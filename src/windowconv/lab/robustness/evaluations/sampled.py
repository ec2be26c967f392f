"""Evaluations on a sample of the test images, the same one for all runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from windowconv.errors import InputError
from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Evaluation, Runs
from windowconv.lab.robustness.conditions.catalogue import as_bytes, as_floats
from windowconv.lab.robustness.conditions.record import path_of
from windowconv.lab.robustness.conditions.schemas import SampledRecord
from windowconv.lab.robustness.sample import Sample, draw
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import read_json
from windowconv.spectra.batches import Progress
from windowconv.spectra.forward import check_bytes


class SampledEvaluation(Evaluation):
    """An evaluation on some of the test images, recorded in `evaluations/NAME-on-N.json`.

    New weights are measured anew. A record of another seed, other images or other options is an error, not out of
    date: what took hours is not overwritten.

    Args:
        count: test images, evenly over the classes, at most as many as there are; None for all.
        seed: of random numbers.
    """

    packages = ("imagecorruptions-imaug", "opencv-python", "scikit-image", "scipy", "pillow")  # they change images

    def __init__(self, count: int | None, seed: int = 0) -> None:
        self.count, self.seed = count, seed
        self._drawn: tuple[Images, Sample] | None = None

    def size(self, available: int) -> int:
        """The number of images that it takes of a test set with so many."""
        return available if self.count is None else min(self.count, available)

    def count_of(self, runs: Runs) -> int:
        """The number of images that it takes of the test set of runs."""
        return self.size(next(iter(runs.values()))[0].record["data"]["test"])

    def path(self, run: Run) -> Path:
        return path_of(run, self.name, self.count_of({"": [run]}))

    def sample(self, images: Images) -> Sample:
        """The images that it takes of a test set, rounded to 8 bits; drawn once for all runs.

        Raises:
            InputError: more than fit into memory.
        """
        if self._drawn is None or self._drawn[0] is not images:
            n, (channels, height, width) = self.size(len(images)), images.shape
            check_bytes(f"{n:,} test images", 4 * n * channels * height * width, "Give a smaller count.")
            sample = draw(images, n)
            self._drawn = images, replace(sample, images=as_floats(as_bytes(sample.images)))
        return self._drawn[1]

    def options(self, images: Images) -> dict[str, Any]:
        """What else its values depend on, by the record's keys."""
        return {}

    def identity(self, network: Network, images: Images) -> dict[str, Any]:
        sample = self.sample(images)
        n = len(sample.labels)
        return {
            "content_hash": images.content_hash,
            "n": n,
            "indices": None if n == len(images) else sample.indices.tolist(),
            "weights": network.weights_hash,
            "seed": self.seed,
            **self.options(images),
        }

    def is_current(self, network: Network, images: Images) -> bool:
        path = self.path(network.run)
        if not path.is_file():
            return False
        record, identity = read_json(path, SampledRecord), self.identity(network, images)
        if identity["weights"] not in (None, record.get("weights")):
            return False
        for key in identity.keys() - {"weights"}:
            if record.get(key) != identity[key]:
                raise InputError(
                    f"{network.run.folder.name}: evaluations/{path.name} is of {key}={_short(record.get(key))}, not "
                    f"{_short(identity[key])}; measure with the former, or remove that file"
                )
        return True

    def measure_runs(
        self, runs: Sequence[Run], images: Images, device: torch.device | str = "cpu", progress: Progress = None
    ) -> None:
        """`run`, for runs whose networks nothing else needs."""
        if not runs:
            raise InputError("runs is empty; allowed: one run or more")
        self.run([Network(run) for run in runs], images, Execution(device=str(device)), progress)


def check_count(count: int | None, images: Images) -> None:
    """An `InputError` unless a test set has so many images."""
    if count is not None and not 1 <= count <= len(images):
        raise InputError(f"count={count}; allowed: 1 to {len(images)} test images, or None for all")


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} of them"
    return "all" if value is None else str(value)[:12]
