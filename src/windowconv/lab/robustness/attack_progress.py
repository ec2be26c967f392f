"""How a list of attacks goes: a bar on a terminal, a line an attack elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from windowconv.errors import require
from windowconv.lab.progress import duration

REUSED = 0.2
"""Seconds below which an attack was there already."""


class AttackProgress:
    """Lines on standard error.

    Args:
        images: of each attack to come, in order.
        work: how long each takes beside the others.
    """

    def __init__(self, images: Sequence[int], work: Sequence[float]) -> None:
        self.images, self.work = list(images), list(work)
        self.spent = self.worked = 0.0  # on attacks that were not there already
        self.index, self.name, self.done = -1, "", 0
        self.started = time.perf_counter()

    def start(self, name: str) -> None:
        """An attack begins."""
        self.index += 1
        self.name, self.done, self.started = name, 0, time.perf_counter()

    def advance(self, done: int) -> None:
        """So many of its images are done."""
        self.done = done
        took = time.perf_counter() - self.started
        if done == self.images[self.index] and took > REUSED:
            self.spent += took
            self.worked += self.work[self.index]
        self.show()

    @property
    def left(self) -> str:
        """The time left, in words, at the speed so far."""
        rest = sum(self.work[self.index + 1 :])
        return duration(self.spent / self.worked * rest) if self.worked else "unknown time"

    def show(self) -> None:
        """Say it, when the attack is done."""
        if self.done == self.images[self.index]:
            took = time.perf_counter() - self.started
            text = f"[{self.index + 1}/{len(self.images)}] {self.name}: {took:.1f} s, {self.left} left"
            print(text, file=sys.stderr, flush=True)


class AttackBar(AttackProgress):
    """A bar that is redrawn."""

    def __init__(self, images: Sequence[int], work: Sequence[float], display: Any) -> None:
        super().__init__(images, work)
        self.display = display
        self.task = display.add_task("", total=sum(images), name="", left="")

    def show(self) -> None:
        before = sum(self.images[: self.index]) + self.done
        name = f"[{self.index + 1}/{len(self.images)}] {self.name}"
        self.display.update(self.task, completed=before, name=name, left=f"{self.left} left")


@contextmanager
def show(images: Sequence[int], work: Sequence[float]) -> Iterator[AttackProgress]:
    """A bar if standard error is a terminal, else lines."""
    if not sys.stderr.isatty():
        yield AttackProgress(images, work)
        return
    rich_progress = require("rich.progress", "cli")
    console = require("rich.console", "cli").Console(stderr=True)
    columns = [
        rich_progress.TextColumn("{task.fields[name]}", markup=False),
        rich_progress.BarColumn(bar_width=30),
        rich_progress.TaskProgressColumn(),
        rich_progress.TextColumn("{task.fields[left]}", markup=False),
    ]
    with rich_progress.Progress(*columns, console=console, transient=True) as display:
        yield AttackBar(images, work, display)
