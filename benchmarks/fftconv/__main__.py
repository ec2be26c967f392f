"""Large kernels in the frequency domain: speed, error and memory, against torch's own and against the bars.

    python -m benchmarks.fftconv            # results/fftconv.{json,md} and fftconv-k.png; 35 to 45 minutes on 2 cores
    python -m benchmarks.fftconv --quick    # some rows, to try it out: build/quick/; a minute or two
    python -m benchmarks.fftconv --tables   # the tables again from the rows measured
    python -m benchmarks.fftconv --keep --unsteady    # rows again that something else on the machine disturbed

Every row is kept as soon as it is measured; a run that was cut goes on where it was. A row is measured again when the
convolution's code has changed since (`--keep` keeps it), all of them when the machine or a version has.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

from benchmarks.fftconv import errors, layers, memory, networks, others, prepared, rates, scaling
from benchmarks.fftconv.picture import draw
from benchmarks.fftconv.ratios import UNSTEADY, spread
from benchmarks.fftconv.tables import PAGE, PICTURE, page
from benchmarks.record import Job, Record, describe_environment, digest_of_sources, open_record
from windowconv.files import replace_file

ROOT = Path(__file__).parents[2]
# networks first: most can go wrong there
PARTS = (
    rates,
    networks,
    memory,
    prepared,
    errors,
    others,
    scaling,
    layers,
)


def measure(
    jobs: Iterable[Job], record: Record, keep: bool, log: Callable[[str], None] = print, unsteady: bool = False
) -> None:
    """Measure what is not there yet, and with `unsteady` what was disturbed."""
    disturbed = {key for key, row in record.rows.items() if unsteady and spread(row) > UNSTEADY}
    todo = [job for job in jobs if job.key in disturbed or not record.has(job.key, keep)]
    start = time.monotonic()
    for i, job in enumerate(todo):
        before = time.monotonic()
        record.add(job.key, job.measure())
        gc.collect()  # a network's steps hold each other, and gigabytes
        now = time.monotonic()
        log(f"{i + 1}/{len(todo)}  {now - start:5.0f} s  {job.key}  ({now - before:.1f} s)")


def write(record: Record, notes: list[str], out: Path) -> None:
    """Write the page and the picture."""
    draw(record, out / PICTURE)
    replace_file(out / PAGE, page(record, notes).encode())


def missing() -> list[str]:
    """What is left out of this run, and why."""
    return list(chain.from_iterable(part.missing() for part in PARTS if hasattr(part, "missing")))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few rows and rounds")
    parser.add_argument("--tables", action="store_true", help="measure nothing")
    parser.add_argument("--keep", action="store_true", help="keep rows that were measured with other code")
    parser.add_argument("--unsteady", action="store_true", help="measure rows again whose times vary twofold or more")
    parser.add_argument("--only", default="", help="rows whose key begins so, such as layers/float32/training")
    parser.add_argument("--out", type=Path, help="a folder")
    options = parser.parse_args()
    out = options.out or (ROOT / "build" / "quick" if options.quick else ROOT / "results")
    here = None if options.tables else describe_environment(options.quick)
    record, status = open_record(out / "fftconv.json", here, digest_of_sources("fftconv"))
    print(status, flush=True)
    jobs = chain.from_iterable(part.jobs(options.quick) for part in PARTS)
    if not options.tables:
        wanted = [job for job in jobs if job.key.startswith(options.only)]
        measure(wanted, record, options.keep, _log, options.unsteady)
    write(record, missing(), out)
    print(f"Written to {out}: fftconv.json, {PAGE}, {PICTURE}")


def _log(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
