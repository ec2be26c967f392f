"""Peak memory of a network's training step, each in a process of its own.

    python -m benchmarks.fftconv.memory resnet18 auto      # prints bytes

The peak is the process's largest resident set (VmHWM) in three steps less what it held before the network was built:
weights, gradients, momentum, activations, work space. Linux only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial

from benchmarks.fftconv.networks import NETWORKS, VARIANTS, step
from benchmarks.fftconv.networks import missing as missing_networks
from benchmarks.own_process import STATUS, peak_resident_bytes, resident_bytes, run_module
from benchmarks.record import Job, Row

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
    peaks = {variant: run_module("benchmarks.fftconv.memory", key, variant) for variant in MEASURED}
    return {"name": NETWORKS[key].name, "bytes": peaks}


def peak(key: str, variant: str) -> int:
    """Bytes of this process's training steps."""
    before = resident_bytes()
    train = step(NETWORKS[key], VARIANTS[variant])
    for _ in range(STEPS):
        train()
    return peak_resident_bytes() - before


if __name__ == "__main__":
    print(peak(*sys.argv[1:]))
