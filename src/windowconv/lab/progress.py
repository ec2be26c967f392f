"""Progress of training runs, attacks and evaluations: a bar on a terminal or in a notebook, lines elsewhere."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, TextIO

from windowconv.phases import phase

DAY_S = 86_400
REUSED_S = 0.2
"""Seconds below which a counted run was there already: no measure of speed."""
LINE_S = 10.0
"""Seconds between two lines about one counted run, at least."""
FIRST_LINE_S = 1.0
"""Seconds after which a training has its first line, if its first epoch takes longer."""
NEXT_LINE_S = 60.0
"""Seconds without a line, within a long epoch, after which there is one."""


class Progress:
    """Counts the images of a list of runs and estimates the time left; shows nothing, as its subclasses do.

    A run is a training, an attack or an evaluation. Seconds an image are measured for each cost seen so far, and scaled
    by cost for the others.

    Args:
        costs: of an image in each run to come, in order: multiply-adds, or anything that grows with the time.
        totals: images of each run; as many as in the run that began last if None.
        proportional: whether time is proportional to cost. Multiply-adds overstate large kernels in small networks, so
            that otherwise the time left is a range, from "as fast as the runs so far" to "as slow as the costs say".
    """

    def __init__(
        self, costs: Sequence[float] = (1.0,), totals: Sequence[int] | None = None, proportional: bool = False
    ) -> None:
        self.costs, self.totals, self.proportional = list(costs), totals, proportional
        self.index = -1
        self.spent: dict[float, tuple[float, int]] = {}  # by cost: seconds and images
        self.images = self.total = 0  # of this run
        self.run_started = self.looked = time.perf_counter()
        self.name = ""
        self.epoch, self.epochs = 0, 0
        self.loss = self.accuracy = math.nan

    def start_run(self, name: str, images: int) -> None:
        """A run of this number of images begins."""
        self.index += 1
        self.name, self.images, self.total = name, 0, images
        self.run_started = self.looked = time.perf_counter()
        self.epoch, self.loss, self.accuracy = 0, math.nan, math.nan

    def advance(self, images: int, loss: float) -> None:
        """More images are done; `loss` is the newest training loss, NaN if there is none."""
        self.images += images
        self.loss = loss
        self._spend(images)

    def end_epoch(self, epoch: int, epochs: int, loss: float, accuracy: float, images: str = "test") -> None:
        """An epoch is done; `accuracy`, from 0 to 1, is that of `images`: test, val, or else training."""
        self.epoch, self.epochs, self.accuracy = epoch, epochs, accuracy
        self._spend(0)

    def skip_run(self, name: str) -> None:
        """A run was finished before."""
        self.index += 1
        self.name = name

    def counter(self, name: str, total: int = 0) -> Callable[..., None]:
        """Start a run, and return the callback for a function that reports its progress.

        Args:
            name: of the run.
            total: what there is to do, in images or another unit, if the callback is not told.

        Returns:
            `callback(done)` or `callback(done, total)`, called with all that is done so far.
        """
        self.start_run(name, total)

        def count(done: int, total: int = total) -> None:
            self.total = total
            if done == total and not self.images and time.perf_counter() - self.run_started < REUSED_S:
                self.images, self.looked = done, time.perf_counter()
            else:
                self.advance(done - self.images, math.nan)
            self.show_count()

        return count

    def show_count(self) -> None:
        """Show how far the counted run is."""

    @property
    def title(self) -> str:
        """The run's place in the list and its name."""
        return f"[{self.index + 1}/{max(len(self.costs), self.index + 1)}] {self.name}"

    @property
    def rate(self) -> float:
        """Images a second in this run, evaluation included."""
        return self.images / max(time.perf_counter() - self.run_started, 1e-9)

    @property
    def seconds_left(self) -> float:
        """Seconds until the last run ends, by cost where nothing was measured; NaN before the first step."""
        return self._seconds_left(1.0)

    @property
    def time_left(self) -> str:
        """The time until the last run ends, such as "3 min 10 s left"; a range unless time is proportional to cost."""
        low, high = sorted((self._seconds_left(1.0 if self.proportional else 0.0), self._seconds_left(1.0)))
        ends = [duration(low), duration(high)]
        return f"{ends[0]} left" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]} left"

    def _seconds_left(self, power: float) -> float:
        """Of all runs, where time grows as cost to this power from one run to another."""
        left = self.total - self.images
        seconds = left * self._seconds_an_image(self._cost(self.index), power) if left else 0.0
        for later in range(self.index + 1, len(self.costs)):
            images = self.totals[later] if self.totals else self.total
            seconds += images * self._seconds_an_image(self.costs[later], power)
        return seconds

    def _spend(self, images: int) -> None:
        """Book the time since the last call, and the images done in it, on this run's cost."""
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
    """A line an epoch, and a minute of longer ones; of a counted run, a line every tenth, at most one in ten seconds,
    and one at its end.

    Args:
        costs, totals, proportional: see `Progress`.
        stream: where lines go; standard error if None.
    """

    def __init__(
        self,
        costs: Sequence[float] = (1.0,),
        totals: Sequence[int] | None = None,
        proportional: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        super().__init__(costs, totals, proportional)
        self.stream = stream
        self._said = (0, 0.0)  # tenths and when, of a counted run
        self._next_line = 0.0  # of a training, if no epoch ends before

    def advance(self, images: int, loss: float) -> None:
        super().advance(images, loss)
        now = time.perf_counter()
        if math.isfinite(loss) and now > self._next_line:
            self._next_line = now + NEXT_LINE_S
            self._print_position(loss)

    def _print_position(self, loss: float) -> None:
        share = self.images / max(self.total, 1)
        self._print(f"{self.title}: {share:.1%}, loss {loss:.4f}, {self.rate:,.0f} images/s, {self.time_left}")

    def end_epoch(self, epoch: int, epochs: int, loss: float, accuracy: float, images: str = "test") -> None:
        super().end_epoch(epoch, epochs, loss, accuracy, images)
        self._next_line = time.perf_counter() + NEXT_LINE_S
        self._print(
            f"{self.title}: epoch {epoch}/{epochs}, loss {loss:.4f}, {images} accuracy {accuracy:.2%}, "
            f"{self.rate:,.0f} images/s, {self.time_left}, {memory()}"
        )

    def skip_run(self, name: str) -> None:
        super().skip_run(name)
        self._print(f"{self.title}: finished before, reused")

    def start_run(self, name: str, images: int) -> None:
        super().start_run(name, images)
        self._said = 0, self.run_started
        self._next_line = self.run_started + FIRST_LINE_S

    def show_count(self) -> None:
        now, tenths = time.perf_counter(), 10 * self.images // max(self.total, 1)
        if self.images == self.total:
            self._print(f"{self.title}: {now - self.run_started:.1f} s, {self.time_left}")
        elif tenths > self._said[0] and now - self._said[1] >= LINE_S:
            self._said = tenths, now
            self._print(f"{self.title}: {self.images:,} of {self.total:,}, {self.time_left}")

    def _print(self, text: str) -> None:
        print(text, file=self.stream or sys.stderr, flush=True)


class LiveProgress(LineProgress):
    """A bar that is redrawn, with finished epochs and counted runs as lines above it.

    Args:
        display: a `rich.progress.Progress` with a column for the field `figures`.
        costs, totals, proportional: see `Progress`.
    """

    def __init__(
        self,
        display: Any,
        costs: Sequence[float] = (1.0,),
        totals: Sequence[int] | None = None,
        proportional: bool = False,
    ) -> None:
        super().__init__(costs, totals, proportional)
        self.display = display
        self.task = display.add_task("", total=1.0, figures="")

    def advance(self, images: int, loss: float) -> None:
        super().advance(images, loss)
        figures = [f"loss {loss:.3f}"] if math.isfinite(loss) else []
        figures += [f"accuracy {self.accuracy:.2%}"] if math.isfinite(self.accuracy) else []
        figures += [f"{self.rate:,.0f} images/s"] if figures else []
        text = "  ".join([*figures, self.time_left, memory()])
        self.display.update(self.task, completed=self.images / max(self.total, 1), description=self.title, figures=text)

    def _print_position(self, loss: float) -> None:
        """The bar says it."""

    def show_count(self) -> None:
        if self.images == self.total:
            super().show_count()

    def _print(self, text: str) -> None:
        self.display.console.print(text, markup=False, highlight=False)


_displays: list[Any] = []  # that are drawn now: a progress within another draws in the same place


@contextmanager
def show_progress(
    costs: Sequence[float] = (1.0,), totals: Sequence[int] | None = None, proportional: bool = False
) -> Iterator[Progress]:
    """Show progress on standard error: a bar on a terminal or in a notebook, lines elsewhere.

    A bar needs rich, in a notebook ipywidgets too; without them there are lines. Of torchrun's processes only the first
    shows it. Within another `show_progress` it is a second bar.

    Args:
        costs, totals, proportional: see `Progress`.
    """
    with phase(""), _shown(costs, totals, proportional) as progress:
        yield progress


@contextmanager
def _shown(*runs: Any) -> Iterator[Progress]:
    """As `show_progress`."""
    if int(os.environ.get("RANK", "0")):
        yield Progress(*runs)
    elif _displays:
        shown = LiveProgress(_displays[-1], *runs)
        try:
            yield shown
        finally:
            shown.display.remove_task(shown.task)
    elif (display := _new_display()) is None:
        yield LineProgress(*runs)
    else:
        with display:
            _displays.append(display)
            try:
                yield LiveProgress(display, *runs)
            finally:
                _displays.remove(display)


def _new_display() -> Any:
    """A `rich.progress.Progress` if it can be drawn; else None."""
    try:
        from rich import progress as rich_progress
        from rich.console import Console
    except ModuleNotFoundError:
        return None
    console = Console(stderr=True)
    drawn = find_spec("ipywidgets") is not None if console.is_jupyter else sys.stderr.isatty()
    if not drawn:  # rich shows nothing in a notebook without ipywidgets
        return None
    columns = [
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(bar_width=30),
        rich_progress.TaskProgressColumn(),
        rich_progress.TextColumn("{task.fields[figures]}", markup=False),
    ]
    return rich_progress.Progress(*columns, console=console, transient=True)


def memory() -> str:
    """The peak memory so far, of the first GPU in use or else of this process, such as "1.2 GiB"."""
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
    """A time in the two largest of days, hours, minutes and seconds.

    >>> duration(75), duration(7300), duration(183_000), duration(float("nan"))
    ('1 min 15 s', '2 h 01 min', '2 d 3 h', 'unknown time')
    """
    if not math.isfinite(seconds):
        return "unknown time"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < DAY_S:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"
