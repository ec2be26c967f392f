"""Peak memory of a training, ours and bare, each in a process of its own.

    python benchmarks/training_memory.py cifar10-small/3x3/fp32/eager ours cpu      # prints bytes

On a GPU what torch has allocated there at most; on a CPU the process's largest resident set, Python and torch included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from fftconv_record import Job, Row
from training_loops import Bare, Ours, Plain
from training_turns import Effort
from training_workloads import LONGEST, Case, cases, noise, prepare

GROUP = "memory"
STEPS = 3
LOOPS = ("ours", "bare")
STATUS = Path("/proc/self/status")


def jobs(device: torch.device, effort: Effort, quick: bool, compiled: bool) -> Iterator[Job]:
    """Every row."""
    for case in cases(quick, compiled, device):
        yield Job(f"{GROUP}/{case.key}", partial(row, case, device))


def row(case: Case, device: torch.device) -> Row:
    """Bytes of both loops; nothing where a step takes too long."""
    threads = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    found = {}
    for loop in LOOPS:
        command = [sys.executable, __file__, case.key, loop, str(device)]
        done = subprocess.run(command, env=threads, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{case.key}, {loop} failed:\n{done.stderr}")
        found[loop] = json.loads(done.stdout.splitlines()[-1])
        if found[loop] is None:
            return {}
    return found


def peak(case: Case, loop: str, device: torch.device) -> dict[str, int] | None:
    """Bytes before and at most during a few steps of a loop; None if a step takes too long."""
    setup = prepare(case, device)
    if setup.guess() > LONGEST:
        return None
    size, batch = case.size, setup.config.batch_size
    before = _taken(device, "VmRSS")
    if loop == "bare":
        Bare(Plain(setup), STEPS)()
    else:
        with tempfile.TemporaryDirectory() as folder:
            Ours(setup, noise(STEPS * batch, 1, size.pixels, size.classes), Path(folder))()
    return {"before": before, "peak": _taken(device, "VmHWM")}


def _taken(device: torch.device, what: str) -> int:
    """Bytes that are taken now (VmRSS), or were at most (VmHWM)."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated() if what == "VmRSS" else torch.cuda.max_memory_allocated()
    if STATUS.exists():  # getrusage's figure begins with that of the process that started this one
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith(what))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(json.dumps(peak(Case.of(sys.argv[1]), sys.argv[2], torch.device(sys.argv[3]))))
