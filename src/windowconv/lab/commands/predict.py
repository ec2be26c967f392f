"""`windowconv predict`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from windowconv.lab.commands.options import RunFolder


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Classify images with a run's network and print the likeliest classes."""

    group: ClassVar = "test"

    run_folder: RunFolder
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")]
    """Image files; each is resized to the run's image size and made grey or RGB as the run's images are."""
    top: int = 3
    """Classes to print for each image."""

    def run(self) -> None:
        """Predict."""
        from windowconv.lab.runs.folder import Run
        from windowconv.lab.training.predict import predict

        for path, found in zip(self.images, predict(Run.open(self.run_folder), self.images, self.top), strict=True):
            print(f"{path.name}: {', '.join(f'{name} {share:.1%}' for name, share in found)}")
