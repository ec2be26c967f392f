"""What a study would take: runs to train, finished runs to reuse, and the time, with nothing trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from windowconv.errors import InputError
from windowconv.lab.config import Execution, Training
from windowconv.lab.data import DataNotFound, load
from windowconv.lab.models.algorithm_choice import Pins, pin_algorithms
from windowconv.lab.models.build import build
from windowconv.lab.models.matching import network_spec
from windowconv.lab.runs.writer import describe_data
from windowconv.lab.studies.design.plan import Plan, PlannedRun
from windowconv.lab.studies.execution.engines import Processes
from windowconv.lab.studies.execution.estimate import Estimate, Task, VariantEstimate, estimate_variant
from windowconv.lab.studies.execution.reuse import RunIndex, RunKey
from windowconv.lab.training.loading import limit_images
from windowconv.phases import phase

PUBLIC = {
    "fashion-mnist": Task(60_000, 10_000, 10, (1, 28, 28)),
    "cifar10": Task(50_000, 10_000, 10, (3, 32, 32)),
    "cifar100": Task(50_000, 10_000, 100, (3, 32, 32)),
    "imagenet": Task(1_281_167, 50_000, 1000, (3, 224, 224)),
}
"""Public data sets: a study on them can be estimated before they are downloaded."""


def estimate(
    plan: Plan,
    images: str,
    root: Path | None,
    execution: Execution,
    processes: int,
    reuse: Sequence[Path],
) -> Estimate:
    """What a study would take, here and on other machines; a few steps of each network are timed, nothing is trained.

    Args:
        plan: the study.
        images, root: as `load` takes them; of a public data set that is not here, no run can be reused.
        execution: device and threads.
        processes: number that share this machine's cores.
        reuse: folders below which finished runs are looked for.

    Raises:
        InputError: images that are neither here nor public; settings of `Processes`.
    """
    threads = execution.threads or torch.get_num_threads()
    if processes > 1:
        threads = Processes(processes, execution.threads).threads
    task, described = _task(plan, images, root)
    library = RunIndex(reuse if described else ())
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        planned = [*plan.preparations(), *plan.first_tuning_runs(), *plan.runs()]
        names = dict.fromkeys(run.variant for run in planned)
        variants = [
            _variant([run for run in planned if run.variant == name], task, described, library, execution)
            for name in names
        ]
    finally:
        torch.set_num_threads(before)
    return Estimate(variants, processes, threads)


def _variant(
    runs: Sequence[PlannedRun], task: Task, described: dict[str, Any] | None, library: RunIndex, execution: Execution
) -> VariantEstimate:
    """What a variant's runs will take."""
    first = runs[0]
    spec = network_spec(first.config, first.config.arm, first.config.seed, task.classes, task.image)
    pins, reused = None, 0
    if described is not None:
        keys = [RunKey.wanted(run.config.config_hash, described) for run in runs]
        pins = library.pins(keys)
        reused = sum(library.find(key, pins) is not None for key in keys) if pins is not None else 0
    if pins is None:
        pins = _pins(spec.builder, spec.arguments, first.config, task, execution)
    counts = {"runs": len(runs) - reused, "reused": reused}
    with phase(f"timing steps of {first.variant}"):
        return estimate_variant(first.variant, first.config, spec, task, pins, execution, counts)


def _pins(builder: str, arguments: dict[str, Any], training: Training, task: Task, execution: Execution) -> Pins:
    with phase(f"choosing algorithms for {arguments['arm']}"):
        network = build(builder, arguments).to(execution.device)
        batch = -(-min(training.batch_size, task.train) // training.accumulate)
        return pin_algorithms(network, training.algorithm, (batch, *task.image))


def _task(plan: Plan, images: str, root: Path | None) -> tuple[Task, dict[str, Any] | None]:
    """The data set and, if it is here, its description by `describe_data`."""
    training = plan.shared
    try:
        data = load(images, root, image_size=training.image_size, stream=training.stream, download=False)
    except DataNotFound:
        if images not in PUBLIC:
            raise
        return cut(PUBLIC[images], training), None
    data = limit_images(data, training)
    image = (data.channels, *data.image_size)
    return Task(len(data.train), len(data.test), len(data.classes), image), describe_data(data)


def cut(task: Task, training: Training) -> Task:
    """The data set with the number and size of images that the settings ask for."""
    for name, there in (("train", task.train), ("test", task.test)):
        wanted = getattr(training, f"{name}_images")
        if wanted is not None and wanted > there:
            raise InputError(f"{name}-images={wanted}; allowed: 1 to {there}")
    size = training.image_size
    image = task.image if size is None else (task.image[0], size, size)
    return Task(training.train_images or task.train, training.test_images or task.test, task.classes, image)
