"""Peak memory of a training, ours and bare, each in a process of its own.

    python -m benchmarks.training.memory cifar10-small/3x3/fp32/eager ours cpu      # prints bytes

On a GPU what torch has allocated there at most; on a CPU the process's largest resident set, Python and torch included.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks.own_process import peak_resident_bytes, resident_bytes, run_module
from benchmarks.record import Job, Row
from benchmarks.training.loops import Bare, Ours, Plain
from benchmarks.training.timing import Effort
from benchmarks.training.workloads import LONGEST, Case, cases, noise, prepare

GROUP = "memory"
STEPS = 3
LOOPS = ("ours", "bare")


def jobs(device: torch.device, effort: Effort, quick: bool, compiled: bool) -> Iterator[Job]:
    """Every row."""
    for case in cases(quick, compiled, device):
        yield Job(f"{GROUP}/{case.key}", partial(row, case, device))


def row(case: Case, device: torch.device) -> Row:
    """Bytes of both loops; nothing where a step takes too long."""
    found = {}
    for loop in LOOPS:
        found[loop] = run_module("benchmarks.training.memory", case.key, loop, str(device))
        if found[loop] is None:
            return {}
    return found


def peak(case: Case, loop: str, device: torch.device) -> dict[str, int] | None:
    """Bytes before and at most during a few steps of a loop; None if a step takes too long."""
    setup = prepare(case, device)
    if setup.guess() > LONGEST:
        return None
    size, batch = case.size, setup.config.batch_size
    before = torch.cuda.memory_allocated() if device.type == "cuda" else resident_bytes()
    if loop == "bare":
        Bare(Plain(setup), STEPS)()
    else:
        with tempfile.TemporaryDirectory() as folder:
            Ours(setup, noise(STEPS * batch, 1, size.pixels, size.classes), Path(folder))()
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else peak_resident_bytes()
    return {"before": before, "peak": peak}


if __name__ == "__main__":
    print(json.dumps(peak(Case.of(sys.argv[1]), sys.argv[2], torch.device(sys.argv[3]))))
