"""Live progress of one or many runs: a display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from windowconv.errors import require


class Progress:
    """Says nothing; the others show how a list of runs goes.

    The time left holds across arms of different cost: what an image takes is measured for each cost seen so far,
    and scaled by the multiply-adds for the others.
    """

    def __init__(self, costs: Sequence[float] = (1.0,)) -> None:
        """`costs`: the multiply-adds an image of each run to come, in order."""
        self.costs = list(costs)
        self.index = -1
        self.spent: dict[float, tuple[float, int]] = {}  # by cost: seconds and images
        self.images = self.total = 0  # of this run
        self.run_started = self.looked = time.perf_counter()
        self.name = ""
        self.epoch, self.epochs = 0, 0
        self.loss = self.accuracy = math.nan
        self._last_total = 1

    def start_run(self, name: str, images: int) -> None:
        """A run begins that will see so many images."""
        self.index += 1
        self.name, self.images, self.total = name, 0, images
        self._last_total = images
        self.run_started = self.looked = time.perf_counter()
        self.epoch, self.loss, self.accuracy = 0, math.nan, math.nan

    def advance(self, images: int, loss: float) -> None:
        """A step is done; `loss` is the last one looked at."""
        self.images += images
        self.loss = loss
        self._spend(images)

    def end_epoch(self, epoch: int, epochs: int, loss: float, accuracy: float, images: str = "test") -> None:
        """An epoch is done and evaluated on `images`: test, or val."""
        self.epoch, self.epochs, self.accuracy = epoch, epochs, accuracy
        self._spend(0)

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
        """Of all runs, at the rates so far, and by multiply-adds where there is none; NaN before the first step."""
        return self._seconds_left(1.0)

    @property
    def time_left(self) -> str:
        """In words. For an arm not seen yet, from as fast as those seen to as slow as its multiply-adds say.

        Small kernels use a processor badly, so in small networks multiply-adds alone overstate the larger ones.
        """
        low, high = sorted((self._seconds_left(0.0), self._seconds_left(1.0)))
        ends = [duration(low), duration(high)]
        return f"{ends[0]} left" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]} left"

    def _seconds_left(self, power: float) -> float:
        left = (self.total - self.images) * self._seconds_an_image(self._cost(self.index), power)
        later = self.costs[self.index + 1 :]
        return left + sum(self._last_total * self._seconds_an_image(cost, power) for cost in later)

    def _spend(self, images: int) -> None:
        """Book the time since the last call, and the images trained on in it, on this run's cost."""
        cost, now = self._cost(self.index), time.perf_counter()
        seconds, before = self.spent.get(cost, (0.0, 0))
        self.spent[cost] = seconds + now - self.looked, before + images
        self.looked = now

    def _seconds_an_image(self, cost: float, power: float) -> float:
        seconds, images = self.spent.get(cost, (0.0, 0))
        if images:
            return seconds / images
        work = sum(n * seen**power for seen, (_, n) in self.spent.items())
        return cost**power * sum(seconds for seconds, _ in self.spent.values()) / work if work else math.nan

    def _cost(self, index: int) -> float:
        return self.costs[index] if 0 <= index < len(self.costs) else 1.0


class LineProgress(Progress):
    """One line an epoch."""

    def __init__(self, costs: Sequence[float] = (1.0,), stream: TextIO | None = None) -> None:
        super().__init__(costs)
        self.stream = stream

    def end_epoch(self, epoch: int, epochs: int, loss: float, accuracy: float, images: str = "test") -> None:
        super().end_epoch(epoch, epochs, loss, accuracy, images)
        self._print(
            f"[{self.index + 1}/{len(self.costs)}] {self.name}: epoch {epoch}/{epochs}, loss {loss:.4f}, "
            f"{images} accuracy {accuracy:.2%}, {self.rate:,.0f} images/s, {self.time_left}, {memory()}"
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
        figures += f"  {self.rate:,.0f} images/s  {self.time_left}  {memory()}"
        title = f"[{self.index + 1}/{len(self.costs)}] {self.name}"
        done = self.images / max(self.total, 1)
        self.display.update(self.task, completed=done, description=title, figures=figures)

    def _print(self, text: str) -> None:
        self.display.console.print(text, markup=False, highlight=False)


@contextmanager
def show_progress(costs: Sequence[float]) -> Iterator[Progress]:
    """A live display if standard error is a terminal, else plain lines; nothing from torchrun's other processes."""
    if int(os.environ.get("RANK", "0")):
        yield Progress(costs)
        return
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


def memory() -> str:
    """The most memory that was taken so far, of the first GPU in use or else of this process."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB on the GPU"
    try:
        import resource
    except ImportError:  # Windows
        return "memory unknown"
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{most / (2**30 if sys.platform == 'darwin' else 2**20):.1f} GiB"


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(75), duration(7300), duration(float("nan"))
    ('1 min 15 s', '2 h 01 min', 'unknown time')
    """
    if not math.isfinite(seconds):
        return "unknown time"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
