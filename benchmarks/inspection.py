"""How long `windowconv inspect` takes, and how much memory, against its limits.

    python -m benchmarks.inspection [--images DIR] [--rounds 3]      # results/inspection.{json,md}; some minutes

Each command runs in a process of its own, from start to exit: importing torch, measuring, drawing, writing. The heat
map and the receptive field are left out. Memory is the process's largest resident set. Linux and macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from torch import nn
from torchvision.models import resnet18

from benchmarks.markdown import table
from benchmarks.record import describe_environment
from windowconv import convert
from windowconv.errors import InputError
from windowconv.files import replace_file

ROOT = Path(__file__).parents[1]
MEMORY = 4.0  # GiB


@dataclass(frozen=True)
class Case:
    """A network, and the seconds that it may take on two cores."""

    name: str
    model: str
    limit: float


CASES = (
    Case("ResNet-18", "torchvision/resnet18", 20.0),
    Case("ResNet-18 with 7x7 Hamming kernels", "benchmarks.inspection:resnet18_7x7", 60.0),
)


def resnet18_7x7() -> nn.Module:
    """The paper's network."""
    return convert(resnet18(), kernel_size={3: 7, 7: 9})


def measure(case: Case, images: Sequence[str]) -> tuple[float, float]:
    """Seconds and GiB of one command."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "windowconv.cli", "inspect", case.model, "--out", folder, *images]
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise InputError(f"{' '.join(command[1:])} ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_maxrss * unit / 2**30


def rows(rounds: int, images: Path | None) -> list[dict[str, Any]]:
    """Every case, without images and, where there are some, with them."""
    found = []
    for case in CASES:
        for options in ([], *([["--images", str(images.resolve()), "--size", "224"]] if images else [])):
            runs = [measure(case, options) for _ in range(rounds)]
            row = {
                "network": case.name,
                "images": bool(options),
                "seconds": [round(s, 2) for s, _ in runs],
                "gib": [round(g, 3) for _, g in runs],
                "limit_s": case.limit,
            }
            print(row, flush=True)
            found.append(row)
    return found


def page(record: dict[str, Any]) -> str:
    """The results as Markdown."""
    here = record["environment"]
    lines = []
    for row in record["rows"]:
        seconds, memory = row["seconds"], row["gib"]
        met = max(seconds) <= row["limit_s"] and max(memory) <= MEMORY
        lines.append(
            [
                row["network"],
                "32 at 224 px" if row["images"] else "none",
                f"{median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f}; n={len(seconds)})",
                f"{row['limit_s']:g}",
                f"{max(memory):.2f}",
                f"{MEMORY:g}",
                "met" if met else "**missed**",
            ]
        )
    head = ["network", "images", "seconds", "limit", "GiB", "limit", "verdict"]
    hardware = f"{here['device']}, {here['cores']} cores, {here['threads']} threads; torch {here['torch']}, "
    hardware += f"windowconv {here['windowconv']}, Python {here['python']}"
    text = "Whole commands, from start to exit, without heat map and receptive field: median (smallest to largest)."
    parts = ["# What inspecting a network takes", f"{hardware}. Made by `python -m benchmarks.inspection`.", text]
    return "\n\n".join([*parts, *table(head, lines)]) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="a folder of images")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    options = parser.parse_args()
    record = {"environment": describe_environment(False), "rows": rows(options.rounds, options.images)}
    replace_file(options.out / "inspection.json", (json.dumps(record, indent=1) + "\n").encode())
    replace_file(options.out / "inspection.md", page(record).encode())


if __name__ == "__main__":
    main()
