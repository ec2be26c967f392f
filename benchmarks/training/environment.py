"""On what a benchmark of training ran."""

from __future__ import annotations

from typing import Any

import torch
import torchvision

from benchmarks.record import describe_environment
from windowconv.lab.runs.environment import environment


def describe(device: torch.device, quick: bool = False) -> dict[str, Any]:
    """Versions and hardware; two runs with the same can be continued one by the other."""
    here = describe_environment(quick)
    found = {**here, "processor": here["device"], "torchvision": torchvision.__version__}
    return {**found, "device": environment(device)["device"]}
