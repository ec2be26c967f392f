"""A run and its network: loaded once, however much is measured on it."""

from __future__ import annotations

import hashlib
from functools import cached_property

import torch
from torch import nn

from windowconv.errors import InputError
from windowconv.lab.data.sets import Images
from windowconv.lab.models.relatives.merging import merge
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.evaluate import check_fits


class Network:
    """A finished run with its network, which is read from disk when it is first needed.

    Evaluations share the network: whoever changes its mode or its weights puts them back.

    Args:
        run: with its weights.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    @cached_property
    def model(self) -> nn.Module:
        """The network, in evaluation mode, on whichever device it was used last; takes images (N, C, H, W) in [0, 1]
        and puts out scores (N, classes); kernels that were trained in parts are one."""
        return merge(self.run.model())

    def on(self, device: torch.device | str) -> nn.Module:
        """The network, moved to a device."""
        return self.model.to(device)

    @cached_property
    def weights_hash(self) -> str | None:
        """SHA-256 of the weights' file, in hexadecimal; None for a run that was exported without weights."""
        path = self.run.folder / "model.safetensors"
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None

    def check_images(self, images: Images) -> None:
        """An `InputError` unless the images are the run's test set, whole."""
        known = self.run.record["data"]
        check_fits(known, images)
        if images.content_hash != known["test_hash"]:
            raise InputError(
                f"{self.run.folder.name}: the test images here differ from those of the run (content hash "
                f"{images.content_hash[:12]}, the run's {known['test_hash'][:12]}); measure it on the set that it was "
                "tested on"
            )
