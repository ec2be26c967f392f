"""Training: images a second of windowconv's loop and loader, against a bare loop and against torchvision's way.

    python -m benchmarks.training                      # results/training.{json,md}; about 25 minutes on 2 quiet cores
    python -m benchmarks.training --compiled           # and the rows with torch.compile, a minute or more each
    python -m benchmarks.training --device cuda        # results/training.cuda.{json,md}
    python -m benchmarks.training --only 'speed/cifar10-small/.*/fp32' --again --rounds 15
    python -m benchmarks.training --quick              # tiny networks, to try it out: build/quick/; a minute
    python -m benchmarks.training --tables             # the page again from the rows measured

Images are noise; no data are needed. Every row is kept as soon as it is measured, and a run that was cut goes on where
it was. Rows of the same machine and versions stay unless `--again` is given.
"""

from __future__ import annotations

import argparse
import gc
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

import torch

from benchmarks.record import Job, Record, digest_of_sources, open_record
from benchmarks.training import epoch, loader, memory, speed
from benchmarks.training.environment import describe
from benchmarks.training.tables import page
from benchmarks.training.timing import Effort
from windowconv.files import replace_file

ROOT = Path(__file__).parents[2]
PARTS = (loader, speed, epoch, memory)


def measure(jobs: Iterable[Job], record: Record, again: bool, log: Callable[[str], None] = print) -> list[str]:
    """Measure what is not there yet, or all `again`; the keys of rows that failed."""
    todo = [job for job in jobs if again or not record.has(job.key, other_sources=True)]
    failed = []
    start = time.monotonic()
    for i, job in enumerate(todo):
        before = time.monotonic()
        try:
            record.add(job.key, job.measure())
        except Exception:  # one row's trouble is no reason to lose the night
            failed.append(job.key)
            log(traceback.format_exc())
        gc.collect()  # ends the workers of its loaders
        now = time.monotonic()
        what = "failed" if job.key in failed else f"{now - before:.1f} s"
        log(f"{i + 1}/{len(todo)}  {now - start:5.0f} s  {job.key}  ({what})")
    return failed


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--rounds", type=int, default=Effort.rounds, help="of each row")
    parser.add_argument("--seconds", type=float, default=Effort.seconds, help="of each loop in a round, about")
    parser.add_argument("--compiled", action="store_true", help="also with torch.compile")
    parser.add_argument("--only", default="", metavar="REGEX", help="rows in whose key this is found")
    parser.add_argument("--again", action="store_true", help="measure rows anew that are there already")
    parser.add_argument("--quick", action="store_true", help="tiny networks")
    parser.add_argument("--tables", action="store_true", help="measure nothing")
    parser.add_argument("--out", type=Path, help="a folder")
    options = parser.parse_args()
    device = torch.device(options.device)
    out = options.out or (ROOT / "build" / "quick" if options.quick else ROOT / "results")
    name = "training" if device.type == "cpu" else f"training.{device.type}"
    here = None if options.tables else describe(device, options.quick)
    record, status = open_record(out / f"{name}.json", here, digest_of_sources())
    _log(status)
    failed = []
    if not options.tables:
        effort = Effort(options.rounds, options.seconds)
        jobs = chain.from_iterable(part.jobs(device, effort, options.quick, options.compiled) for part in PARTS)
        failed = measure((job for job in jobs if re.search(options.only, job.key)), record, options.again, _log)
    replace_file(out / f"{name}.md", page(record).encode())
    _log(f"Written to {out}: {name}.json, {name}.md")
    if failed:
        _log(f"{len(failed)} rows failed: {', '.join(failed)}")
    return 1 if failed else 0


def _log(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
