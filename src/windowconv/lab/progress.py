"""Live progress of one or many runs: a display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from windowconv.errors import require


class Progress:
    """Says nothing; the others show how a list of runs goes.

    The work of a run is its images times the multiply-adds of one of them, so that the time left holds across
    arms of different cost.
    """

    def __init__(self, costs: Sequence[float] = (1.0,)) -> None:
        """`costs`: the multiply-adds an image of each run to come, in order."""
        self.costs = list(costs)
        self.index = -1
        self.done = 0.0  # multiply-adds of all runs
        self.images = self.total = 0  # of this run
        self.started = time.perf_counter()
        self.run_started = self.started
        self.name = ""
        self.epoch, self.epochs = 0, 0
        self.loss = self.accuracy = math.nan
        self._last_total = 1

    def start_run(self, name: str, images: int) -> None:
        """A run begins that will see so many images."""
        self.index += 1
        self.name, self.images, self.total = name, 0, images
        self._last_total = images
        self.run_started = time.perf_counter()
        self.epoch, self.loss, self.accuracy = 0, math.nan, math.nan

    def advance(self, images: int, loss: float) -> None:
        """A step is done; `loss` is the last one looked at."""
        self.images += images
        self.loss = loss
        self.done += images * self._cost(self.index)

    def end_epoch(self, epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        """An epoch is done and evaluated."""
        self.epoch, self.epochs, self.accuracy = epoch, epochs, accuracy

    def skip_run(self, name: str) -> None:
        """A run is there already."""
        self.index += 1
        self.name = name

    @property
    def rate(self) -> float:
        """Images a second in this run, evaluation included."""
        return self.images / max(time.perf_counter() - self.run_started, 1e-9)

    @property
    def seconds_left(self) -> float:
        """Of all runs, at the rate so far; NaN before the first step."""
        left = (self.total - self.images) * self._cost(self.index)
        left += sum(self._last_total * cost for cost in self.costs[self.index + 1 :])
        elapsed = time.perf_counter() - self.started
        return elapsed * left / self.done if self.done else math.nan

    def _cost(self, index: int) -> float:
        return self.costs[index] if 0 <= index < len(self.costs) else 1.0


class LineProgress(Progress):
    """One line an epoch."""

    def __init__(self, costs: Sequence[float] = (1.0,), stream: TextIO | None = None) -> None:
        super().__init__(costs)
        self.stream = stream

    def end_epoch(self, epoch: int, epochs: int, loss: float, accuracy: float) -> None:
        super().end_epoch(epoch, epochs, loss, accuracy)
        self._print(
            f"[{self.index + 1}/{len(self.costs)}] {self.name}: epoch {epoch}/{epochs}, loss {loss:.4f}, "
            f"test accuracy {accuracy:.2%}, {self.rate:,.0f} images/s, {duration(self.seconds_left)} left"
        )

    def skip_run(self, name: str) -> None:
        super().skip_run(name)
        self._print(f"[{self.index + 1}/{len(self.costs)}] {name}: finished before, reused")

    def _print(self, text: str) -> None:
        print(text, file=self.stream or sys.stderr, flush=True)


class LiveProgress(LineProgress):
    """A bar that is redrawn, with finished epochs as lines above it."""

    def __init__(self, costs: Sequence[float], display: Any) -> None:
        super().__init__(costs)
        self.display = display
        self.task = display.add_task("", total=1.0, figures="")

    def advance(self, images: int, loss: float) -> None:
        super().advance(images, loss)
        figures = f"loss {loss:.3f}" if math.isfinite(loss) else ""
        if math.isfinite(self.accuracy):
            figures += f"  accuracy {self.accuracy:.2%}"
        figures += f"  {self.rate:,.0f} images/s  {duration(self.seconds_left)} left"
        title = f"[{self.index + 1}/{len(self.costs)}] {self.name}"
        done = self.images / max(self.total, 1)
        self.display.update(self.task, completed=done, description=title, figures=figures)

    def _print(self, text: str) -> None:
        self.display.console.print(text, markup=False, highlight=False)


@contextmanager
def show_progress(costs: Sequence[float]) -> Iterator[Progress]:
    """A live display if standard error is a terminal, else plain lines."""
    if not sys.stderr.isatty():
        yield LineProgress(costs)
        return
    rich_progress = require("rich.progress", "cli")
    console = require("rich.console", "cli").Console(stderr=True)
    columns = [
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(bar_width=30),
        rich_progress.TaskProgressColumn(),
        rich_progress.TextColumn("{task.fields[figures]}", markup=False),
    ]
    with rich_progress.Progress(*columns, console=console, transient=True) as display:
        yield LiveProgress(costs, display)


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(75), duration(7300), duration(float("nan"))
    ('1 min 15 s', '2 h 02 min', 'unknown time')
    """
    if not math.isfinite(seconds):
        return "unknown time"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
