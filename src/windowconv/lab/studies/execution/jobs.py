"""A job: runs that are trained together, mostly one, and what is then measured of them. It goes as JSON to other
processes and machines."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.lab.config import Execution, RunConfig, Training
from windowconv.lab.data import ImageData, load
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.registry import find_evaluation
from windowconv.lab.models.algorithm_choice import Pins
from windowconv.lab.progress import Progress
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.writer import describe_data
from windowconv.lab.studies.execution.initial_weights import starting_weights
from windowconv.lab.training.loading import limit_images
from windowconv.lab.training.train import train_together


@dataclass(frozen=True)
class Job:
    """What one process does at a time.

    Args:
        variant: whose runs they are.
        configs: of the runs; several are trained at once, as one stacked network.
        folders: of the runs, within the study's folder.
        pins: each layer's algorithm.
        images: what `load` takes, and `root`, the folder that it looks in.
        data: what `describe_data` must say of them.
        macs: multiply-adds of one image forward, of all the runs together.
        measures: the evaluations afterwards, by name.
        starts: the folders of the runs whose weights they start from, within the study's; empty for random ones.
        execution: device, threads, checkpoints.
    """

    variant: str
    configs: tuple[RunConfig, ...]
    folders: tuple[str, ...]
    pins: Pins
    images: str
    data: Mapping[str, Any]
    macs: int
    measures: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    root: str | None = None
    execution: Execution = field(default_factory=Execution)

    @property
    def name(self) -> str:
        """In messages."""
        return ", ".join(self.folders)

    def record(self) -> dict[str, Any]:
        """For `from_record`, JSON-able."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Job:
        """The job that `record` wrote."""
        given = dict(record)
        given["configs"] = tuple(RunConfig.from_record(config) for config in given["configs"])
        given["execution"] = Execution(**given["execution"])
        for name in ("folders", "measures", "starts"):
            given[name] = tuple(given[name])
        return cls(**given)


@dataclass(frozen=True)
class Outcome:
    """What came of a job: an error in one line if it failed, and whether the disk was full."""

    job: Job
    error: str | None = None
    disk_full: bool = False


class ImageCache:
    """The images that were read last: the runs of a study mostly have the same."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] | None = None
        self._data: ImageData | None = None

    def get(self, images: str, root: str | None, training: Training) -> ImageData:
        """The images for these settings, cut to their number."""
        key = (images, root, training.image_size, training.stream, training.train_images, training.test_images)
        if self._data is None or key != self._key:
            whole = load(images, root, image_size=training.image_size, stream=training.stream)
            self._key, self._data = key, limit_images(whole, training)
        return self._data


def work(job: Job, place: Path, cache: ImageCache, progress: Progress) -> None:
    """Train a job's runs as far as they are not finished, and measure.

    Args:
        job: what to do.
        place: the study's folder.
        cache: of images.
        progress: where to show how it goes.

    Raises:
        InputError: images that are not the study's; as `train_together` and `Evaluation.run`.
    """
    data = cache.get(job.images, job.root, job.configs[0])
    if describe_data(data) != job.data:
        raise InputError(f"data={job.images!r}: the images here are not those that the study began with")
    folders = [place / folder for folder in job.folders]
    todo = [i for i, folder in enumerate(folders) if not _is_trained(folder)]
    if todo:
        configs = [job.configs[i] for i in todo]
        start = None
        if job.starts:
            start = starting_weights(Run.open(place / job.starts[todo[0]]), configs[0], data)
        train_together(configs, data, [folders[i] for i in todo], progress, job.execution, pins=job.pins, start=start)
    else:
        progress.skip_run(job.name)
    for folder in folders:
        network = Network(Run.open(folder))
        for name in job.measures:
            find_evaluation(name).run([network], data.test, job.execution)


def attempt(job: Job, place: Path, cache: ImageCache, progress: Progress) -> Outcome:
    """`work`, with an error as an outcome; only being stopped is raised."""
    try:
        work(job, place, cache, progress)
    except InputError as error:
        return Outcome(job, f"{error}", disk_is_full(error, place))
    except Exception as error:  # a bug or a lack of memory in one run is no reason to lose the others
        if not isinstance(error, (MemoryError, RuntimeError)):
            import traceback

            traceback.print_exc(file=sys.stderr)
        text = " ".join(str(error).split())
        return Outcome(job, f"{type(error).__name__}: {text}", disk_is_full(error, place))
    return Outcome(job)


def disk_is_full(error: BaseException, place: Path) -> bool:
    """Whether an error came of a full disk, or a quota that is used up."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (ENOSPC, EDQUOT):
            return True
        cause = cause.__cause__ or cause.__context__
    try:
        return shutil.disk_usage(place).free == 0
    except OSError:
        return False


def _is_trained(folder: Path) -> bool:
    return (folder / "run.json").is_file() and Run.open(folder).record["status"] == "finished"


def with_threads(job: Job, threads: int | None) -> Job:
    """The job with a number of threads."""
    return replace(job, execution=replace(job.execution, threads=threads))
