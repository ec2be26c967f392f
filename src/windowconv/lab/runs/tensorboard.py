"""The metrics of metrics.jsonl for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from windowconv.errors import require

FOLDER = "tensorboard"
POSITION = ("step", "epoch", "time_s")


class TensorBoardWriter:
    """Writes metrics by step into a run folder's `tensorboard/`.

    Args:
        folder: the run folder.
        step: from where on the run writes; what an earlier attempt wrote beyond is hidden.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        require("tensorboard", "tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / FOLDER), purge_step=step)

    def add(self, kind: str, metrics: Mapping[str, Any]) -> None:
        """A line of metrics.jsonl: each number under `KIND/NAME`, numbers by layer under `KIND/LAYER/I`."""
        for name, value in metrics.items():
            if name in POSITION:
                continue
            if isinstance(value, int | float):
                self._writer.add_scalar(f"{kind}/{name}", value, metrics["step"])
            elif isinstance(value, Mapping):
                for layer, numbers in value.items():
                    for number, label in zip(numbers, ("1/8", "1/4"), strict=False):
                        if number is not None:
                            self._writer.add_scalar(f"{kind}/{layer}/{label}", number, metrics["step"])

    def close(self) -> None:
        """Write what is not written yet."""
        self._writer.close()
