"""The library's own subcommands: their options, free of torch; the work is imported when they run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from windowconv.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Info:
    """Versions, the native operator, and what the choice of algorithm goes by on this machine."""

    calibrate: bool = False
    """Measure the machine anew, in a second or two, and keep the result."""

    def run(self) -> None:
        """Print."""
        from windowconv.cli.info import report

        print(report(calibrate=self.calibrate))


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows at a kernel's size: their figures of merit, which taps they kill, what leaks, and which to take."""

    size: int = 7
    """Taps of the kernel's side."""
    names: tuple[str, ...] = ()
    """Windows of SciPy's, such as hamming or kaiser:8.6; by default those that people ask for."""
    out: Path | None = None
    """Draw the windows and their spectra into this file, .svg or .png; .html is a page with everything."""
    harris: bool = False
    """Print the table of Harris 1978 instead: 44 large periodic windows."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Print, and draw if wanted."""
        from windowconv.cli.windows import harris_report, report

        if self.harris:
            if self.names or self.out:
                raise InputError("harris: its table has windows and a size of its own; pass no names and no out")
            print(harris_report(self.json))
        else:
            print(report(self.size, self.names, self.out, self.json))


@dataclass(frozen=True, kw_only=True)
class Inspect:
    """What a network's filters select and leak, layer by layer: a page, JSON, and the convert call to try.

    MODEL is a run folder, torchvision/NAME, timm/NAME, or package.module:function.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """The network."""
    against: str | None = None
    """A second network to compare it with, named likewise."""
    weights: str | None = None
    """A file of weights (.safetensors, or a state dict as .pt or .pth), or "pretrained" for those that torchvision
    and timm download."""
    against_weights: str | None = None
    """The same for the second network."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """The folder for report.html and inspection.json; inspect/MODEL if not given."""
    images: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """A folder of images, or a data set's name: adds aliasing, spectra of feature maps, and shift consistency."""
    count: int = 32
    """Images to take from it."""
    size: int | None = None
    """Pixels a side of the images; the network's own if not given, or the images' for a function of your own."""
    mean: tuple[float, ...] = ()
    """What images in [0, 1] are normalised by, one number a channel; torchvision's, timm's or the run's own if not
    given, none for a function of your own."""
    std: tuple[float, ...] = ()
    """Likewise."""
    heat_map: bool = False
    """Also the Fourier heat map, on the images: minutes for large networks."""
    receptive_field: bool = False
    """Also the effective receptive field of the last convolution."""
    device: str = "cpu"
    """A torch device: cpu, cuda, cuda:1, mps."""

    def run(self) -> None:
        """Measure, write, and say it."""
        from windowconv.cli.inspect import inspect

        inspect(self)
