"""A measurement in a process of its own, and the memory that a process holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[1]
STATUS = Path("/proc/self/status")


def run_module(module: str, *arguments: str) -> Any:
    """What `python -m module` prints as JSON on its last line, with as many threads as this process has.

    Raises:
        RuntimeError: the process failed; with what it wrote to standard error.
    """
    threads = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=threads, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def resident_bytes() -> int:
    """The process's resident set, Python and torch included (Linux)."""
    return _status("VmRSS")


def peak_resident_bytes() -> int:
    """The largest resident set that the process has had."""
    if STATUS.exists():  # getrusage's value begins with that of the process that started this one
        return _status("VmHWM")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _status(field: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024
