"""On what a benchmark of training ran."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
import torchvision
from fftconv_record import describe_environment

import windowconv
from windowconv.lab.runs.environment import environment


def describe(device: torch.device, quick: bool = False) -> dict[str, Any]:
    """Versions and hardware; two runs with the same can be continued one by the other."""
    here = describe_environment(quick)
    found = {**here, "processor": here["device"], "torchvision": torchvision.__version__}
    return {**found, "device": environment(device)["device"]}


def digest() -> str:
    """A digest of windowconv as it runs here, native library included."""
    folder = Path(windowconv.__file__).parent
    files = [file for file in folder.rglob("*") if file.suffix in (".py", ".so", ".dylib")]
    found = hashlib.sha256()
    for file in sorted(files):
        found.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return found.hexdigest()[:12]
