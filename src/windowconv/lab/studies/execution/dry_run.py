"""What a study would take: its runs, those that are there already, and the time of the rest."""

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
from windowconv.lab.studies.execution.estimate import Estimate, Line, Task, line
from windowconv.lab.studies.execution.reuse import Address, Library
from windowconv.lab.training.loading import limit_images

KNOWN = {
    "fashion-mnist": Task(60_000, 10_000, 10, (1, 28, 28)),
    "cifar10": Task(50_000, 10_000, 10, (3, 32, 32)),
    "cifar100": Task(50_000, 10_000, 100, (3, 32, 32)),
    "imagenet": Task(1_281_167, 50_000, 1000, (3, 224, 224)),
}
"""Data sets that can be planned for without being here."""


def estimate(
    plan: Plan,
    images: str,
    root: Path | None,
    execution: Execution,
    processes: int,
    reuse: Sequence[Path],
    price: float | None,
) -> Estimate:
    """What a study would take here and elsewhere; nothing is trained but a few steps of each network.

    Args:
        plan: the study.
        images, root: what `load` takes; the public data sets need not be here, but then no run can be reused.
        execution: device and threads.
        processes: that share this machine's cores.
        reuse: folders of finished runs.
        price: dollars an hour of this machine.

    Raises:
        InputError: images that are not here and unknown; as `Processes`.
    """
    if price is not None and not price >= 0:
        raise InputError(f"price={price}; allowed: 0 or more")
    threads = execution.threads or torch.get_num_threads()
    if processes > 1:
        threads = Processes(processes, execution.threads).threads
    task, described = _task(plan, images, root)
    library = Library(reuse if described else ())
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        planned = [*plan.preparations(), *plan.runs()]
        names = dict.fromkeys(run.variant for run in planned)
        lines = [
            _line([run for run in planned if run.variant == name], task, described, library, execution)
            for name in names
        ]
    finally:
        torch.set_num_threads(before)
    return Estimate(lines, processes, threads, price)


def _line(
    runs: Sequence[PlannedRun], task: Task, described: dict[str, Any] | None, library: Library, execution: Execution
) -> Line:
    """A variant's runs."""
    first = runs[0]
    spec = network_spec(first.config, first.config.arm, first.config.seed, task.classes, task.image)
    pins, reused = None, 0
    if described is not None:
        addresses = [Address.wanted(run.config.config_hash, described) for run in runs]
        pins = library.pins(addresses)
        reused = sum(library.find(address, pins) is not None for address in addresses) if pins is not None else 0
    if pins is None:
        pins = _pins(spec.builder, spec.arguments, first.config, task, execution)
    counts = {"runs": len(runs) - reused, "reused": reused}
    return line(first.variant, first.config, spec, task, pins, execution, counts)


def _pins(builder: str, arguments: dict[str, Any], training: Training, task: Task, execution: Execution) -> Pins:
    network = build(builder, arguments).to(execution.device)
    batch = -(-min(training.batch_size, task.train) // training.accumulate)
    return pin_algorithms(network, training.algorithm, (batch, *task.image))


def _task(plan: Plan, images: str, root: Path | None) -> tuple[Task, dict[str, Any] | None]:
    """The images' sizes and, where they are here, what `describe_data` says of them."""
    training = plan.design.at(plan.scale).training
    try:
        data = load(images, root, image_size=training.image_size, stream=training.stream, download=False)
    except DataNotFound:
        if images not in KNOWN:
            raise
        return _cut(KNOWN[images], training), None
    data = limit_images(data, training)
    image = (data.channels, *data.image_size)
    return Task(len(data.train), len(data.test), len(data.classes), image), describe_data(data)


def _cut(task: Task, training: Training) -> Task:
    """So many images as the settings ask for, in their size."""
    for name, there in (("train", task.train), ("test", task.test)):
        wanted = getattr(training, f"{name}_images")
        if wanted is not None and wanted > there:
            raise InputError(f"{name}-images={wanted}; allowed: 1 to {there}")
    size = training.image_size
    image = task.image if size is None else (task.image[0], size, size)
    return Task(training.train_images or task.train, training.test_images or task.test, task.classes, image)
