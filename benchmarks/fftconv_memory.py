"""Peak memory of a network's training step, each in a process of its own.

    python benchmarks/fftconv_memory.py resnet18 auto      # prints bytes

The peak is the process's largest resident set (VmHWM) in three steps less what it held before the network was built:
weights, gradients, momentum, activations, work space. Linux only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from fftconv_networks import NETWORKS, VARIANTS, step
from fftconv_networks import missing as missing_networks
from fftconv_record import Job, Row

STATUS = Path("/proc/self/status")
STEPS = 3
MEASURED = ("auto", "auto, spectra kept", "direct", "direct contiguous", "3x3")


def missing() -> list[str]:
    """What cannot be measured here."""
    return [] if STATUS.exists() else ["Peak memory is measured on Linux only: left out."]


def jobs(quick: bool) -> Iterator[Job]:
    """Every row."""
    if missing_networks() or missing():
        return
    for key in ("small",) if quick else NETWORKS:
        yield Job(f"memory/{key}", partial(measure, key))


def measure(key: str) -> Row:
    """Bytes of every variant."""
    threads = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    peaks = {}
    for variant in MEASURED:
        command = [sys.executable, __file__, key, variant]
        done = subprocess.run(command, env=threads, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{key}, {variant} failed:\n{done.stderr}")
        peaks[variant] = json.loads(done.stdout)
    return {"name": NETWORKS[key].name, "bytes": peaks}


def peak(key: str, variant: str) -> int:
    """Bytes of this process's training steps."""
    before = _resident("VmRSS")
    train = step(NETWORKS[key], VARIANTS[variant])
    for _ in range(STEPS):
        train()
    return _resident("VmHWM") - before


def _resident(what: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(peak(*sys.argv[1:]))
