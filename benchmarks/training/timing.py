"""Loops that time themselves, in turn; and what their times say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.pairs import Ratio, ratio
from benchmarks.record import Row

Runner = Callable[[], float]
"""Does its part of a round, and returns seconds an image."""
THEIRS = "torchvision "
SLOWER = 1.1  # of two numbers of workers, one that takes so much longer than the other is not timed further
SLOW = 1.5  # seconds: of calls that take longer, one number of workers alone is timed further


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Args:
        rounds: of a row.
        seconds: about so many each loop trains in a round.
    """

    rounds: int = 9
    seconds: float = 1.0

    def steps(self, step: float, batch: int, most: int, multiple: int) -> int:
        """Steps of a round, given a step's seconds: at most `most` images, and a multiple once they are more."""
        steps = max(1, min(round(self.seconds / step), most // batch))
        return steps if steps < multiple else steps - steps % multiple


def in_turn(runners: Mapping[str, Runner], count: int) -> dict[str, list[float]]:
    """What each says, `count` times in turn, each round in the other order: `pairs.rounds` for such runners."""
    times: dict[str, list[float]] = {name: [] for name in runners}
    for i in range(count):
        for name in runners if i % 2 == 0 else reversed(list(runners)):
            times[name].append(runners[name]())
    return times


def measure(runners: Mapping[str, Runner], rounds: int) -> Row:
    """Warm up, leave out the clearly slower number of workers, and time the rest.

    Runners whose names end in a number do the same with so many workers; `torchvision N` decides.
    """
    once, took = {}, {}
    for name, runner in runners.items():
        start = time.perf_counter()
        once[name] = runner()
        took[name] = time.perf_counter() - start
        if name.startswith(THEIRS) and took[name] < SLOW:  # the smaller one, so that a disturbed call drops nothing
            once[name] = min(once[name], runner())
    theirs = {name: seconds for name, seconds in once.items() if name.startswith(THEIRS)}
    limit = min(theirs.values(), default=0.0) * (SLOWER if all(took[name] < SLOW for name in theirs) else 1.0)
    slow = {_workers(name) for name, seconds in theirs.items() if seconds > limit}
    kept = {name: runner for name, runner in runners.items() if _workers(name) not in slow}
    dropped = {name: seconds for name, seconds in once.items() if name not in kept}
    return {"samples": in_turn(kept, rounds), "dropped": dropped}


def _workers(name: str) -> str:
    return name.split()[-1]


def theirs(row: Row) -> str:
    """Torchvision's, with the number of workers that has the smaller median."""
    found = [variant for variant in row["samples"] if variant.startswith(THEIRS)]
    return min(found, key=lambda variant: median(row["samples"][variant]))


def times_faster(row: Row, loop: str, than: str) -> Ratio:
    """Images a second of a loop over those of another."""
    return ratio(row["samples"][than], row["samples"][loop])


def a_second(row: Row, name: str) -> float:
    """Images a second, by the median."""
    return 1 / median(row["samples"][name])


def unsteady(row: Row) -> float:
    """The largest ratio of a loop's times to each other."""
    return max((max(times) / min(times) for times in row.get("samples", {}).values()), default=1.0)


def own(row: Row) -> str:
    """Which of our loops is to be compared with torchvision's: that on the same files, where there are files."""
    return "streamed" if "streamed" in row["samples"] else "ours"


def ceiling(row: Row) -> Ratio:
    """How many times faster than torchvision's a training would be whose loader takes no time.

    (step + loader) / step, with the loader alone and the bare loop; a bound where both use the same cores.
    """
    samples = row["samples"]
    loads = samples[f"loader {_workers(theirs(row))}"]
    return ratio([step + load for step, load in zip(samples["bare"], loads, strict=True)], samples["bare"])


def rows_of(group: Mapping[str, Row]) -> Iterator[tuple[str, Row]]:
    """Rows that were measured, not those whose step takes too long."""
    return ((key, row) for key, row in group.items() if "samples" in row)
