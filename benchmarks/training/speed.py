"""Images a second of our loop, of the bare one, and of the bare one on torchvision's loader."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from benchmarks.record import Job, Row
from benchmarks.training.loops import Bare, Clock, LoaderAlone, Ours, Plain, Torchvision
from benchmarks.training.timing import Effort, Runner, measure
from benchmarks.training.torchvision_loading import WORKERS, Files, InMemory, encoded, make_loader, write_photographs
from benchmarks.training.workloads import LONGEST, Case, Setup, cases, noise, prepare
from windowconv.lab.data import in_memory
from windowconv.lab.training.loop import LOG_EVERY

GROUP = "speed"


def jobs(device: torch.device, effort: Effort, quick: bool, compiled: bool) -> Iterator[Job]:
    """Every row."""
    for case in cases(quick, compiled, device):
        yield Job(f"{GROUP}/{case.key}", partial(row, case, device, effort))


def row(case: Case, device: torch.device, effort: Effort) -> Row:
    """All loops in turn, each on as many images."""
    setup = prepare(case, device)
    facts = {
        "batch": setup.config.batch_size,
        "fft": sum(how == "fft" for how in setup.pins.values()),
        "layers": len(setup.pins),
    }
    guess = setup.guess()
    if guess > LONGEST:
        return {**facts, "too_slow_s": guess}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        runners, steps = loops(setup, effort, folder)
        return {**facts, "steps": steps, **measure(runners, effort.rounds)}


def loops(setup: Setup, effort: Effort, folder: Path) -> tuple[dict[str, Runner], int]:
    """What is compared, and the steps that each does when it is called."""
    size, batch, device = setup.case.size, setup.config.batch_size, setup.device
    plain = Plain(setup)
    steps = effort.steps(step_seconds(plain, effort.seconds), batch, size.most, LOG_EVERY)
    data = noise(steps * batch, 1, size.pixels, size.classes)
    ours = folder / "ours"
    runners: dict[str, Runner] = {"ours": Ours(setup, data, ours), "bare": Bare(plain, steps)}
    clock = Clock(steps, batch, device)
    images: Dataset[Any] = InMemory(in_memory(data.train), clock.length)
    if size.photographs:
        files = folder / "files"
        files.mkdir()
        write_photographs(files)
        images = Files(files, setup.config, size.pixels, size.classes, clock.length)
        same = encoded(files, size.pixels, size.classes, clock.length)
        runners["streamed"] = Ours(setup, same, folder / "streamed", Clock(steps, batch, device))
    for workers in WORKERS:
        loader = make_loader(images, batch, workers, device)
        runners[f"torchvision {workers}"] = Torchvision(plain, loader, clock)
        runners[f"loader {workers}"] = LoaderAlone(loader, clock)
    return runners, steps


def step_seconds(plain: Plain, enough: float) -> float:
    """The shortest of some steps, as many as take so many seconds, two at least and ten at most."""
    one = Bare(plain, 1)
    one()  # warms up, or compiles
    found: list[float] = []
    while len(found) < 2 or (len(found) < 10 and sum(found) < enough):
        found.append(one() * one.batch)
    return min(found)
