"""A job: runs that are trained together, mostly one, and what is then measured of them. It is sent as JSON to other
processes and machines."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from errno import EDQUOT, ENOSPC
from functools import lru_cache
from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.lab.config import Execution, RunConfig, Training
from windowconv.lab.data import ImageData, load
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.registry import find_evaluation
from windowconv.lab.models.algorithm_choice import Pins
from windowconv.lab.progress import Progress
from windowconv.lab.runs.folder import WEIGHTS, Run, finished_run
from windowconv.lab.runs.writer import describe_data
from windowconv.lab.studies.execution.initial_weights import starting_weights
from windowconv.lab.training.distributed import is_first_process, process_count
from windowconv.lab.training.loading import limit_images
from windowconv.lab.training.loop import Diverged
from windowconv.lab.training.train import train_together
from windowconv.phases import phase


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
        keep_weights: whether the weights stay once everything is measured.
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
    keep_weights: bool = True
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
    """What came of a job.

    Args:
        job: which.
        error: in one line, if it failed.
        disk_full: whether that was why.
        diverged: whether its loss was no longer finite, which another try would not change.
    """

    job: Job
    error: str | None = None
    disk_full: bool = False
    diverged: bool = False

    def answer(self) -> dict[str, Any]:
        """All but the job, JSON-able, as processes and machines send it back."""
        return {"error": self.error, "disk_full": self.disk_full, "diverged": self.diverged}


def read_images(images: str, root: str | None, training: Training) -> ImageData:
    """The images for these settings, cut to their number; those that were read last are kept, since the runs of a study
    mostly have the same.

    Args:
        images: what `load` takes.
        root: the folder that it looks in; None for its own choice.
        training: the settings.
    """
    read = {name: getattr(training, name) for name in ("image_size", "stream", "train_images", "test_images")}
    return _read(images, root, Training(augment="none", **read))


@lru_cache(maxsize=1)
def _read(images: str, root: str | None, training: Training) -> ImageData:
    return limit_images(load(images, root, image_size=training.image_size, stream=training.stream), training)


def run_job(job: Job, place: Path, progress: Progress) -> None:
    """Train a job's runs as far as they are not finished, and measure.

    Args:
        job: what to do.
        place: the study's folder.
        progress: where to show the training.

    Raises:
        InputError: images that are not the study's; as `train_together` and `Evaluation.run`.
    """
    data = read_images(job.images, job.root, job.configs[0])
    if describe_data(data) != job.data:
        raise InputError(f"data={job.images!r}: the images here are not those that the study began with")
    folders = [place / folder for folder in job.folders]
    todo = [i for i, folder in enumerate(folders) if not finished_run(folder)]
    if todo:
        configs = [job.configs[i] for i in todo]
        start = None
        if job.starts:
            start = starting_weights(Run.open(place / job.starts[todo[0]]), configs[0], data)
        train_together(configs, data, [folders[i] for i in todo], progress, job.execution, pins=job.pins, start=start)
    else:
        progress.skip_run(job.name)
    for folder in folders if is_first_process() else ():
        network = Network(Run.open(folder))
        for name in job.measures:
            with phase(f"measuring {name} of {folder.name}"):
                find_evaluation(name).run([network], data.test, job.execution)
        if not job.keep_weights:
            (folder / WEIGHTS).unlink(missing_ok=True)


def try_job(job: Job, place: Path, progress: Progress) -> Outcome:
    """`run_job`, with an error as an outcome; only being stopped is raised. Of several processes that train together,
    an error ends this one, since the others would wait for it."""
    if process_count() > 1:
        run_job(job, place, progress)
        return Outcome(job)
    try:
        run_job(job, place, progress)
    except InputError as error:
        return Outcome(job, f"{error}", disk_is_full(error, place), isinstance(error, Diverged))
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


def with_threads(job: Job, threads: int | None) -> Job:
    """The job with a number of threads."""
    return replace(job, execution=replace(job.execution, threads=threads))
