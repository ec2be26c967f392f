"""`windowconv inspect`: its options, without torch, which is imported when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro


@dataclass(frozen=True, kw_only=True)
class Inspect:
    """Measure what a network's filters select and leak, layer by layer.

    Writes a page and JSON, and suggests `convert` calls. MODEL is a run folder, torchvision/NAME, timm/NAME, or
    package.module:function.
    """

    group: ClassVar = "look"

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """The network to inspect."""
    against: str | None = None
    """A second network to compare with, specified like MODEL."""
    weights: str | None = None
    """A weights file (.safetensors, or a state dict as .pt or .pth), or "pretrained" to download torchvision's or
    timm's weights."""
    against_weights: str | None = None
    """Weights for the second network."""
    model_args: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = ()
    """Arguments of the network's constructor or function, such as num_classes=10 for weights with 10 classes."""
    against_args: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = ()
    """Arguments for the second network."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for report.html and inspection.json. Default: inspect/MODEL."""
    images: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """A folder of images or the name of a data set; adds aliasing, feature-map spectra and shift consistency."""
    count: int = 32
    """Number of images to use."""
    size: int | None = None
    """Image size in pixels. Default: the network's input size; for package.module:function, the images' own."""
    input_shape: Annotated[tuple[str, ...], tyro.conf.arg(metavar="SHAPE...")] = ()
    """The shape of each of the network's inputs without the batch, such as 3x64x64 10 for an image and ten numbers;
    77:int is 77 whole numbers. The first is the images'; the others are noise, or 0."""
    inputs: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Example inputs instead: a tensor or a list of tensors that torch.save wrote, each with a batch."""
    mean: tuple[float, ...] = ()
    """Per-channel mean that images in [0, 1] are normalised by. Default: that of torchvision, timm or the run;
    none for package.module:function."""
    std: tuple[float, ...] = ()
    """Per-channel standard deviation, like the mean."""
    rate: float | None = None
    """Samples per second of a network that takes sound: its first layer's frequencies are then in Hz."""
    heat_map: bool = False
    """Also compute the Fourier heat map; needs images, and takes minutes for large networks."""
    receptive_field: bool = False
    """Also compute the effective receptive field of the last convolution."""
    device: str = "cpu"
    """A torch device: cpu, cuda, cuda:1, mps; auto is cuda if it is there, else mps, else cpu."""

    def run(self) -> None:
        """Measure, write the files and print a summary."""
        from windowconv.cli.inspect import inspect

        inspect(**vars(self))
