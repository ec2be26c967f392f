"""`windowconv finetune`: its options, free of torch; the work is imported when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tyro

from windowconv.lab.commands.options import WithRecipe
from windowconv.lab.config import Augment, Schedule

REQUIRED: Any = tyro.MISSING


@dataclass(frozen=True, kw_only=True)
class Finetune(WithRecipe):
    """Convert a pretrained network to larger kernels and a window, keeping what it computes, and train it on.

    The result is an ordinary run folder; a run that was cut goes on from its last checkpoint. Where the data have
    another number of classes than the weights, the network gets a fresh last layer.
    """

    model: Annotated[str, tyro.conf.arg(metavar="NAME")] = REQUIRED
    """The network that the weights are of: torchvision/NAME, timm/NAME, small, resnet18, resnet18-cifar, vgg11-bn."""
    weights: Annotated[Path, tyro.conf.arg(metavar="FILE")] = REQUIRED
    """Its weights before any conversion: .safetensors, or a state dict as .pt or .pth."""
    data: str = REQUIRED
    """A folder of images, tar shards or parquet files, or a data set's name (see train)."""
    arm: str = "7x7-hamming"
    """Kernel size and window, such as 3x3 (as it is), 7x7, 7x7-hamming."""
    preserve: bool = True
    """The converted network computes what the pretrained one does, which is checked on training images;
    --no-preserve draws grown kernels anew."""
    seed: int = 0
    """Of what is drawn anew, the order of the images and the augmentation."""
    out: Path | None = None
    """The run folder; runs/finetune-ARM-seedN if not given."""

    network: tyro.conf.Suppress[str] = ""
    match: tyro.conf.Suppress[Literal["none", "params", "flops"]] = "none"
    depth: int = WithRecipe.depth
    """Convolutions of the small network."""
    width: int = 64
    """Channels of the first convolution of small, of the first stage of resnet18, resnet18-cifar and vgg11-bn."""
    image_size: int | None = 224
    """Crop or resize the images to this many pixels."""
    stream: bool = True
    """Read images from disk while training instead of holding them in memory: image folders, tar shards."""
    augment: Augment = "area-crop"
    """area-crop: crops of random area and aspect, mirrored at random; for streamed images. flip-crop: random mirroring
    and crops after a padding of 4; for images in memory."""
    crop_area: tuple[float, float] = (0.35, 1.0)
    """Smallest and largest share of an image's area that area-crop takes."""
    normalize: Literal["none", "imagenet"] = "imagenet"
    """Subtract ImageNet's mean and divide by its standard deviation, as most pretrained networks need it."""
    epochs: int = 10
    """Passes over the training images."""
    lr: float = 0.01
    """Learning rate of SGD, before warm-up and decay."""
    schedule: Schedule = "cosine"
    """How the learning rate falls: at milestones, along a cosine, or up and down in one cycle."""
    weight_decay: float = 1e-4
    """L2 decay, on the raw weights, which are larger where a window was divided out: keep it small."""

    @classmethod
    def defaults(cls, arguments: Sequence[str]) -> Self | None:
        """A recipe's settings, but for its network."""
        found = super().defaults(arguments)
        return found and replace(found, network="", depth=cls.depth, width=cls.width, match="none")

    def run(self) -> None:
        """Convert and train."""
        from windowconv.lab.training.finetune import finetune

        finetune(self)
