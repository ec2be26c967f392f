"""What a run was made with: versions, hardware, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch

import windowconv
from windowconv.machine import processor_name

PACKAGE = Path(windowconv.__file__).parent


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


def load_average() -> list[float] | None:
    """How many processes wanted a core in the last 1, 5 and 15 minutes; None where the system does not say."""
    try:
        return [round(value, 2) for value in os.getloadavg()]
    except (AttributeError, OSError):  # Windows
        return None


def git_commit() -> dict[str, Any] | None:
    """The commit of the checkout that the package runs from, and whether the package's files differ from it; None for
    an installed package. What else lies in the checkout, such as results, changes no result."""
    if _git("ls-files", "--error-unmatch", __file__) is None:
        return None
    commit, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", str(PACKAGE))
    return None if commit is None or changed is None else {"commit": commit, "dirty": bool(changed)}


def last_commit(file: Path) -> dict[str, Any] | None:
    """The commit that changed one of the package's files last, and its date (ISO 8601); None outside a checkout."""
    said = _git("log", "-1", "--format=%H %cI", "--", str(file))
    if not said:
        return None
    commit, date = said.split()
    return {"commit": commit, "committed": date}


def _git(*words: str) -> str | None:
    """What git says in the package's checkout; None if it cannot."""
    try:
        options: Any = {"cwd": PACKAGE, "capture_output": True, "text": True, "timeout": 10, "check": True}
        return subprocess.run(["git", *words], **options).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
