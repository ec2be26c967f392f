"""The runs that a command names, and the test images that all of them share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.data import NAMES
from windowconv.lab.data.sets import Images
from windowconv.lab.data.subsets import stratified
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import STUDY, read_json
from windowconv.lab.training.loading import limit_images, ordered_loader, read_data


def open_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs in run folders and study folders, all of one seed together, so that a suite that is cut has pairs.

    Raises:
        InputError: a folder that is neither; a run without weights; one named twice; different test images or classes.
    """
    if not folders:
        raise InputError("RUN: name one run folder or study folder at least")
    runs: list[Run] = []
    for folder in folders:
        runs += _runs_of_study(folder) if (folder / STUDY).is_file() else [Run.open(folder)]
    places = [run.folder.resolve() for run in runs]
    for place in places:
        if places.count(place) > 1:
            raise InputError(f"RUN={place.name!r} is named twice")
    first = runs[0].record["data"]
    for run in runs:
        assert run.weights  # an error names a run without
        known = run.record["data"]
        if (known["test_hash"], known["classes"]) != (first["test_hash"], first["classes"]):
            raise InputError(
                f"{run.folder.name} was evaluated on other images ({known['source']}) than {runs[0].folder.name} "
                f"({first['source']}); compare runs on the same test images"
            )
    return sorted(runs, key=lambda run: run.config.seed)


def _runs_of_study(folder: Path) -> list[Run]:
    """Its finished runs, its arms in the study's order."""
    found = [Run.open(path.parent) for path in sorted(folder.glob("*/run.json"))]
    finished = [run for run in found if run.record["status"] == "finished"]
    if not finished:
        raise InputError(f"RUN={str(folder)!r} is a study without a finished run")
    arms = [*read_json(folder / STUDY).get("arms", []), *(run.config.arm for run in finished)]
    return sorted(finished, key=lambda run: arms.index(run.config.arm))


def test_images(runs: Sequence[Run], data: str | None, root: Path | None) -> Images:
    """The test images of the runs.

    Raises:
        InputError: a folder of images that is not named; images that are not those of the runs.
    """
    config, known = runs[0].config, runs[0].record["data"]
    given = data or config.data
    if data is None and given not in NAMES:
        raise InputError(f"{runs[0].folder.name} was trained on the folder {given!r}; say where it is with --data")
    images = limit_images(read_data(given, root, config), config).test
    if images.content_hash != known["test_hash"]:
        raise InputError(
            f"the test images of {given} here differ from those of the runs (content hash {images.content_hash[:12]}, "
            f"the runs' {known['test_hash'][:12]})"
        )
    return images


BATCH = 100


@dataclass(frozen=True)
class Sample:
    """The images that are attacked.

    Args:
        images: float32 (N, C, H, W) in [0, 1].
        labels: int64 (N,).
        indices: int64 (N,), their places in the test set.
        test_labels: int64, all labels of the test set.
        content_hash: the test set's.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
    test_labels: Tensor
    content_hash: str

    def first(self, n: int, classes: int) -> Sample:
        """The `n` of them that a sample of `n` would have."""
        inside = torch.isin(self.indices, stratified(self.test_labels, classes, n, 0))
        return replace(self, images=self.images[inside], labels=self.labels[inside], indices=self.indices[inside])


def draw(images: Images, n: int, workers: int = 2) -> Sample:
    """`n` images of a test set, evenly over the classes; always the same ones."""
    chosen = images.take(n)
    indices = stratified(images.labels, len(images.classes), n, 0)
    batches = list(ordered_loader(chosen, BATCH, "cpu", workers).epoch(0))
    held = torch.cat([batch.images.float() for batch in batches]).contiguous()
    return Sample(held, chosen.labels.cpu(), indices, images.labels.cpu(), images.content_hash)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers of numpy and torch that depend on `seed` alone; what was drawn before goes on afterwards."""
    before = np.random.get_state()  # noqa: NPY002 - the toolbox draws from the global generator
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002
