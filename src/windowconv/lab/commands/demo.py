"""`make demo`: the comparison at a size that a laptop finishes in minutes; on gratings where there are no images."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from windowconv.errors import InputError
from windowconv.lab.commands.run_and_report import run_and_report
from windowconv.lab.config import Training
from windowconv.lab.data import DataNotFound, load
from windowconv.lab.studies.design.comparison import plan_comparison
from windowconv.lab.studies.execution.engines import ThisProcess
from windowconv.lab.studies.execution.options import StudyOptions
from windowconv.phases import show_phases

ARMS = ("3x3", "7x7", "7x7-hamming")
SEEDS = 2
SIZE = Training(width=8, train_images=30_000)  # minutes on two cores


def main() -> int:
    """Run the demo; 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(prog="windowconv.lab.commands.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="the study's folder")
    out = parser.parse_args().out
    try:
        try:
            compare("fashion-mnist", out, SIZE)
        except DataNotFound as error:
            print(f"windowconv: {error}.\nUsing generated gratings instead.", file=sys.stderr)
            most = len(load("gratings").train)
            size = replace(SIZE, train_images=min(SIZE.train_images or most, most))
            compare("gratings", out.with_name(out.name + "-gratings"), size)
    except InputError as error:
        print(f"windowconv: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("windowconv: interrupted; finished work is kept; run the same command to continue", file=sys.stderr)
        return 130
    return 0


def compare(data: str, out: Path, size: Training) -> None:
    """Train the demo's arms on these images, and report."""
    with show_phases():
        run_and_report(plan_comparison(ARMS, data, size, SEEDS), out, StudyOptions(ThisProcess(), data))


if __name__ == "__main__":
    sys.exit(main())
