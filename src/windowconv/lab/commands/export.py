"""`windowconv export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from windowconv.lab.commands.options import DataRoot, RunFolder


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a run's network as ONNX, torch.export or plain weights, and check the file.

    The windows are multiplied in: the network has torch's own layers only. It takes images in [0, 1] and gives logits.
    The file is read back, compared with the run's network image by image, and removed if they differ by more than
    rounding.
    """

    group: ClassVar = "ship"

    run_folder: RunFolder
    format: Literal["onnx", "torch-export", "safetensors"]
    """onnx: for onnxruntime and others. torch-export: a program for torch.export.load. safetensors: weights by torch's
    names, without normalisation, which the header describes."""
    opset: int | None = None
    """The version of ONNX's operators, 9 to 25; 20 if not given. Older runtimes need a lower one."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """The file; RUN/export/NAME with the format's ending if not given: .onnx, .pt2, .safetensors."""
    images: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """Images to check on instead of the run's own test images: a data set's name or a folder. Needed if the run was
    trained on a folder that is not in a data folder."""
    data_root: DataRoot = None

    def run(self) -> None:
        """Write and check."""
        from windowconv.lab.export.run import export_run
        from windowconv.lab.runs.folder import Run

        run = Run.open(self.run_folder)
        path, found = export_run(run, self.format, self.out, self.images, self.data_root, self.opset)
        size = path.stat().st_size / 2**20
        print(f"{run.folder.resolve().name} as {self.format}: {found}.\nFile: {path.resolve()} ({size:.2f} MiB)")
