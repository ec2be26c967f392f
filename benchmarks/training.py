"""Training: images a second of windowconv's loop and loader, against a bare loop and against torchvision's way.

    python benchmarks/training.py                      # results/training.{json,md}; about 25 minutes on 2 quiet cores
    python benchmarks/training.py --compiled           # and the rows with torch.compile, a minute or more each
    python benchmarks/training.py --device cuda        # results/training.cuda.{json,md}
    python benchmarks/training.py --only 'speed/cifar10-small/.*/fp32' --again --rounds 15
    python benchmarks/training.py --quick              # tiny networks, to try it out: build/quick/; a minute
    python benchmarks/training.py --tables             # the page again from the rows measured

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
import training_epoch
import training_loader
import training_memory
import training_speed
from fftconv_record import Job, Record, open_record
from training_environment import describe, digest
from training_tables import page
from training_turns import Effort

from windowconv.files import replace_file

ROOT = Path(__file__).parent.parent
PARTS = (training_loader, training_speed, training_epoch, training_memory)


def measure(jobs: Iterable[Job], record: Record, again: bool, say: Callable[[str], None] = print) -> list[str]:
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
            say(traceback.format_exc())
        gc.collect()  # ends the workers of its loaders
        now = time.monotonic()
        what = "failed" if job.key in failed else f"{now - before:.1f} s"
        say(f"{i + 1}/{len(todo)}  {now - start:5.0f} s  {job.key}  ({what})")
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
    record, said = open_record(out / f"{name}.json", here, digest())
    _say(said)
    failed = []
    if not options.tables:
        effort = Effort(options.rounds, options.seconds)
        jobs = chain.from_iterable(part.jobs(device, effort, options.quick, options.compiled) for part in PARTS)
        failed = measure((job for job in jobs if re.search(options.only, job.key)), record, options.again, _say)
    replace_file(out / f"{name}.md", page(record).encode())
    _say(f"Written to {out}: {name}.json, {name}.md")
    if failed:
        _say(f"{len(failed)} rows failed: {', '.join(failed)}")
    return 1 if failed else 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
