"""What a run was made with: versions, hardware, the commit."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch

import windowconv
from windowconv.machine import processor_name


def environment(device: torch.device | str) -> dict[str, Any]:
    """Versions and hardware; no names of users or folders."""
    device = torch.device(device)
    return {
        "windowconv": windowconv.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name(),
        "threads": torch.get_num_threads(),
    }


def git_commit() -> dict[str, Any] | None:
    """The commit of the checkout that the package runs from; None for an installed package."""
    package = Path(__file__).parent
    try:
        options: Any = {"cwd": package, "capture_output": True, "text": True, "timeout": 10, "check": True}
        subprocess.run(["git", "ls-files", "--error-unmatch", __file__], **options)
        commit = subprocess.run(["git", "rev-parse", "HEAD"], **options).stdout.strip()
        dirty = bool(subprocess.run(["git", "status", "--porcelain", "-uno"], **options).stdout.strip())
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": dirty}
