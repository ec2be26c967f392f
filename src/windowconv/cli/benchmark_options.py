"""`windowconv benchmark`: its options, without torch, which is imported when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Measure what `set_algorithm` would gain for a network here.

    Training and inference are timed whole and layer by layer, against torch's own convolutions in both memory formats.
    MODEL is a run folder, torchvision/NAME, timm/NAME, or package.module:function.
    """

    group: ClassVar = "look"

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """The network to measure."""
    batch: int = 8
    """Images, or other inputs, in a call."""
    size: int | None = None
    """Image size in pixels. Default: the network's input size."""
    input_shape: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SHAPE...")] = ()
    """The shape of each of the network's inputs without the batch, such as 3x64x64 10 for an image and ten numbers;
    77:int is 77 whole numbers."""
    inputs: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Example inputs instead: a tensor or a list of tensors that torch.save wrote, each with a batch."""
    weights: str | None = None
    """A weights file, or "pretrained"; speed does not depend on them."""
    model_args: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = ()
    """Arguments of the network's constructor or function, such as num_classes=10."""
    seconds: float = 60.0
    """Seconds to measure for; three rounds at least, which take longer for a large network."""
    threads: int | None = None
    """CPU threads; torch's own choice if not given."""
    device: str = "cpu"
    """A torch device: cpu, cuda, cuda:1, mps; auto is cuda if it is there, else mps, else cpu."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for report.html and benchmark.json. Default: benchmark/MODEL."""

    def run(self) -> None:
        """Measure, write the files and print the tables."""
        from windowconv.cli.benchmark import benchmark

        benchmark(**vars(self))
