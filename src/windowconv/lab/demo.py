"""`make demo`: the comparison at a size that a laptop finishes in minutes; on gratings where there are no images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from windowconv.errors import InputError
from windowconv.lab.actions import run_and_report
from windowconv.lab.config import Training
from windowconv.lab.data import DataNotFound, load
from windowconv.lab.study import Study

ARMS = ("3x3", "7x7", "7x7-hamming")


def main() -> int:
    """Run the demo; 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(prog="windowconv.lab.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="the study's folder")
    out = parser.parse_args().out
    name = "fashion-mnist"
    try:
        try:
            data = load(name)
        except DataNotFound as error:
            name = "gratings"
            print(f"{error}.\nThe demo goes on with generated gratings instead.", file=sys.stderr)
            data, out = load(name), out.with_name(out.name + "-gratings")
        run_and_report(Study(name, ARMS, 2, Training()), data, out, torch.device("cpu"))
    except InputError as error:
        print(f"windowconv: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
