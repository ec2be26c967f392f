"""On what a benchmark of training ran."""

from __future__ import annotations

from typing import Any

import torch
import torchvision

from benchmarks.record import describe_environment
from windowconv.lab.runs.environment import environment
from windowconv.machine import processor_name


def describe(device: torch.device, quick: bool = False) -> dict[str, Any]:
    """Versions and hardware; two runs with the same can be continued one by the other."""
    found = {**describe_environment(quick), "processor": processor_name(), "torchvision": torchvision.__version__}
    return {**found, "device": environment(device)["device"]}
