"""Devices by name, and the one that "auto" means: the same for every command."""

from __future__ import annotations

import os
import sys
from functools import cache

import torch

from windowconv.errors import InputError

AUTO = "auto"
ALLOWED = "auto, cpu, cuda, cuda:N or mps"


def find_device(name: str | torch.device) -> torch.device:
    """The torch device of this name.

    Args:
        name: such as "cpu", "cuda:1" or "mps"; "auto" is the best that is here, see `best_device`.

    Raises:
        InputError: a device that is not here, or that holds no numbers.
    """
    if name == AUTO:
        return torch.device(best_device())
    try:
        device = torch.device(name)
        if device.type == "cpu":
            if device.index:  # torch takes any number, and there is one
                raise InputError(f"device={str(name)!r}; allowed: cpu, which all cores share, or {AUTO}")
            return torch.device("cpu")
        if device.type == "meta":
            raise InputError(f"device={str(name)!r}, which holds no numbers; allowed: {ALLOWED}")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = " ".join(str(error).splitlines()[0].split())
        raise InputError(f"device={str(name)!r}; allowed: {ALLOWED}, where this machine has it ({reason})") from None
    return device


@cache
def best_device() -> str:
    """What "auto" means here: "cuda" if there is an NVIDIA or AMD GPU, else "mps" on Apple's, else "cpu".

    It is said once on standard error, by the first of several processes.
    """
    found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if os.environ.get("RANK", "0") == "0":
        print(f"device: {found}", file=sys.stderr, flush=True)
    return found
