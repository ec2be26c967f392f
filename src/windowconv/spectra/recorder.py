"""Leakage during training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from windowconv.errors import InputError
from windowconv.files import replace_file
from windowconv.integers import as_int
from windowconv.spectra.network import PAIRS, leakage

SCHEMA_VERSION = 1


class LeakageRecorder:
    """Records what each layer of a network leaks; call it after each epoch.

    Args:
        model: the network that is being trained; its weights are read, nothing is run or changed.
        layers: names of layers, or of modules that hold layers; all if None.
        pairs: single kernels to measure per layer, the same ones each time.

    Raises:
        InputError: as `leakage`, which is measured once at the start, before the first epoch.

    >>> import torch
    >>> from torch import nn
    >>> _ = torch.manual_seed(0)
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU())
    >>> record = LeakageRecorder(net)
    >>> for epoch in (1, 2):
    ...     _ = net[0].weight.data.mul_(torch.hann_window(7)[1:-1])  # in place of an epoch of training
    ...     record(epoch)
    >>> [round(row["leakage_1/4"], 2) for row in record.rows]
    [0.53, 0.46, 0.42]
    """

    def __init__(self, model: nn.Module, layers: Sequence[str] | None = None, pairs: int = PAIRS) -> None:
        self._model, self._layers, self._pairs = model, layers, pairs
        self.rows: list[dict[str, Any]] = []
        self(0)

    def __call__(self, epoch: int) -> None:
        """Measure now: rows of `epoch`, and for each layer the means of `NetworkLeakage.rows`.

        Raises:
            InputError: an epoch that is not later than the last; weights that are not finite.
        """
        if (whole := as_int(epoch)) is None:
            raise InputError(f"epoch={epoch!r}; allowed: an int")
        epoch = whole
        if self.rows and epoch <= self.rows[-1]["epoch"]:
            raise InputError(f"epoch={epoch}; allowed: above {self.rows[-1]['epoch']}, the last one recorded")
        measured = leakage(self._model, self._layers, self._pairs)
        self.rows += [{"epoch": epoch, **row} for row in measured.rows()]

    def by_layer(self, figure: str = "pair_leakage_1/4") -> dict[str, tuple[list[int], list[float | None]]]:
        """For each layer its epochs and one figure at each, for `plots.leakage_by_epoch`."""
        found: dict[str, tuple[list[int], list[float | None]]] = {}
        for row in self.rows:
            if figure not in row:
                raise InputError(
                    f"figure={figure!r}; allowed: {', '.join(k for k in row if isinstance(row[k], float))}"
                )
            epochs, values = found.setdefault(row["layer"], ([], []))
            epochs.append(row["epoch"])
            values.append(row[figure])
        return found

    def save(self, path: str | Path) -> None:
        """Write all rows as JSON, atomically."""
        record = {"schema_version": SCHEMA_VERSION, "rows": self.rows}
        replace_file(Path(path), (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
