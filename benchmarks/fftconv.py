"""Large kernels in the frequency domain: speed, error and memory, against torch's own and against the bars.

    python benchmarks/fftconv.py            # results/fftconv.{json,md} and fftconv-k.png; 35 to 45 minutes on 2 cores
    python benchmarks/fftconv.py --quick    # some rows, to try it out: build/quick/; a minute or two
    python benchmarks/fftconv.py --tables   # the tables again from the rows measured
    python benchmarks/fftconv.py --keep --unsteady    # rows again that something else on the machine disturbed

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

import fftconv_errors
import fftconv_layers
import fftconv_memory
import fftconv_networks
import fftconv_others
import fftconv_prepared
import fftconv_rates
import fftconv_scaling
from fftconv_figures import UNSTEADY, spread
from fftconv_picture import draw
from fftconv_record import Job, Record, describe_environment, digest_of_sources, open_record
from fftconv_tables import PAGE, PICTURE, page

from windowconv.files import replace_file

ROOT = Path(__file__).parent.parent
# networks first: most can go wrong there
PARTS = (
    fftconv_rates,
    fftconv_networks,
    fftconv_memory,
    fftconv_prepared,
    fftconv_errors,
    fftconv_others,
    fftconv_scaling,
    fftconv_layers,
)


def measure(
    jobs: Iterable[Job], record: Record, keep: bool, say: Callable[[str], None] = print, unsteady: bool = False
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
        say(f"{i + 1}/{len(todo)}  {now - start:5.0f} s  {job.key}  ({now - before:.1f} s)")


def write(record: Record, notes: list[str], out: Path) -> None:
    """The page and the picture."""
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
    record, said = open_record(out / "fftconv.json", here, digest_of_sources())
    print(said, flush=True)
    jobs = chain.from_iterable(part.jobs(options.quick) for part in PARTS)
    if not options.tables:
        wanted = [job for job in jobs if job.key.startswith(options.only)]
        measure(wanted, record, options.keep, _say, options.unsteady)
    write(record, missing(), out)
    print(f"Written to {out}: fftconv.json, {PAGE}, {PICTURE}")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
