"""The networks that the laboratory trains, by name, so that a run folder can build its model again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.errors import InputError, require, unknown
from windowconv.inspection.subject import IMAGENET
from windowconv.lab.models.airbench import airbench
from windowconv.lab.models.arm_layers import grow_to_arm, put_arm
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.models.resnet import NARROWEST, ResNet18
from windowconv.lab.models.vgg import vgg11_bn

NORMALIZATIONS = {"none": None, "imagenet": IMAGENET}
FAMILIES = ("torchvision", "timm")


def small_network(
    arm: str,
    classes: int,
    channels: int,
    depth: int = 6,
    width: int = 128,
    widths: Sequence[int] | None = None,
    seed: int = 0,
    dropout: float = 0.0,
) -> nn.Sequential:
    """The small network of Tomen & van Gemert: convolutions of one kernel size, no pooling but the last, global one.

    `depth` convolutions without bias, each followed by batch norm and ReLU: channels -> width at stride 2, width ->
    2 width, then 2 width -> 2 width; global average pooling; linear. With its defaults, 7x7 and 100 classes it
    has 14.50 M parameters, with 3x3 2.69 M.

    Args:
        arm: as in `parse_arm`.
        classes: of the output.
        channels: of the images.
        depth: convolutions, at least 2.
        width: channels of the first convolution.
        widths: channels of each convolution, instead of depth and width.
        seed: of a shuffled window.
        dropout: share of the features before the last layer that is dropped in training.
    """
    parsed = parse_arm(arm)
    if parsed.form == "stack":
        raise InputError(f"arm={arm!r}: the small network has no -{parsed.form}; allowed: in the network airbench only")
    outputs = list(widths) if widths else [width, *[2 * width] * (depth - 1)]
    layers: list[nn.Module] = []
    for i, output in enumerate(outputs):
        options: dict[str, Any] = {"stride": 2 if i == 0 else 1, "padding": parsed.kernel_size // 2, "bias": False}
        convolution = nn.Conv2d(outputs[i - 1] if i else channels, output, parsed.kernel_size, **options)
        layers += [convolution, nn.BatchNorm2d(output), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), *([nn.Dropout(dropout)] if dropout else [])]
    network = nn.Sequential(*layers, *head, nn.Linear(outputs[-1], classes))
    put_arm(network, parsed, seed)
    return network


def resnet18(
    arm: str, classes: int, channels: int, widths: Sequence[int] = (64, 128, 256, 512), seed: int = 0
) -> nn.Module:
    """ResNet-18 for images of ImageNet's size; the arm 7x7 has a stem of 9x9, as in the paper."""
    return grow_to_arm(ResNet18(classes, channels, widths), parse_arm(arm), seed)


def resnet18_cifar(
    arm: str, classes: int, channels: int, widths: Sequence[int] = (64, 128, 256, 512), seed: int = 0
) -> nn.Module:
    """ResNet-18 for images of 32 pixels: a stem of 3x3 at stride 1 and no pooling after it."""
    return grow_to_arm(ResNet18(classes, channels, widths, "cifar"), parse_arm(arm), seed)


def vgg11(
    arm: str, classes: int, channels: int, widths: Sequence[int] = (64, 128, 256, 512, 512), seed: int = 0
) -> nn.Module:
    """VGG11 with batch norm."""
    return grow_to_arm(vgg11_bn(classes, channels, widths), parse_arm(arm), seed)


BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "small": small_network,
    "resnet18": resnet18,
    "resnet18-cifar": resnet18_cifar,
    "vgg11-bn": vgg11,
    "airbench": airbench,
}
"""Networks whose builder takes widths."""


class PreprocessedNetwork(nn.Module):
    """A network that takes images in [0, 1]: it repeats grey ones to its channels, and normalises them.

    Args:
        network: what gets the images.
        normalize: "imagenet", or "none".
        repeat: how often the one channel of grey images is repeated.
    """

    def __init__(self, network: nn.Module, normalize: str = "none", repeat: int = 1) -> None:
        super().__init__()
        self.network = network
        self.repeat = repeat
        mean, std = NORMALIZATIONS[normalize] or ((0.0,), (1.0,))
        self.normalize = normalize
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    mean: Tensor
    std: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """The network's logits (N, classes) for images (N, C, H, W) in [0, 1]."""
        if self.repeat > 1:
            images = images.expand(-1, self.repeat, -1, -1)
        return self.network(images if self.normalize == "none" else (images - self.mean) / self.std)


def build(builder: str, arguments: dict[str, Any]) -> nn.Module:
    """The network, with fresh weights, that a builder makes with these arguments.

    Args:
        builder: one of `BUILDERS`, or `torchvision/NAME`, `timm/NAME`.
        arguments: the builder's own; besides, "normalize" as in `PreprocessedNetwork`.

    Raises:
        InputError: an unknown name, a network that classifies no images, or one with too narrow a strided layer.
    """
    given = dict(arguments)
    normalize = given.pop("normalize", "none")
    if normalize not in NORMALIZATIONS:
        raise unknown("normalize", normalize, NORMALIZATIONS)
    family, _, name = builder.partition("/")
    coloured = builder not in BUILDERS or normalize != "none"  # then made for three channels
    repeat = 3 if coloured and given["channels"] == 1 else 1
    if builder in BUILDERS:
        network = BUILDERS[builder](**{**given, "channels": given["channels"] * repeat})
    elif family in FAMILIES and name:
        arm, seed = parse_arm(given["arm"]), given.get("seed", 0)
        network = plain_network(family, name, given["classes"])
        _check_strided(network, builder)
        network = grow_to_arm(network, arm, seed)
    else:
        allowed = ", ".join([*BUILDERS, "torchvision/NAME", "timm/NAME"])
        raise InputError(f"network={builder!r}; allowed: {allowed}")
    return network if normalize == "none" and repeat == 1 else PreprocessedNetwork(network, normalize, repeat)


def _check_strided(network: nn.Module, builder: str) -> None:
    """An `InputError` for a network with a layer that torch cannot be trusted with, see `NARROWEST`."""
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d) and max(layer.kernel_size) == 1 and max(layer.stride) > 1:
            channels = min(layer.in_channels, layer.out_channels)
            if channels < NARROWEST:
                raise InputError(
                    f"network={builder!r}: the layer {name!r} is a 1x1 convolution at stride {max(layer.stride)} with "
                    f"{channels} channels; allowed: {NARROWEST} or more, since its gradient can write beyond its memory"
                )


def plain_network(family: str, name: str, classes: int) -> nn.Module:
    """A classifier of torchvision's or timm's with random weights and so many classes."""
    if family == "torchvision":
        models = require("torchvision", "lab").models
        if name not in models.list_models(module=models):
            raise unknown("network", f"torchvision/{name}", (f"torchvision/{n}" for n in models.list_models(models)))
        options = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
        return models.get_model(name, weights=None, num_classes=classes, **options)
    timm = require("timm", "timm")
    if not timm.is_model(name):
        raise unknown("network", f"timm/{name}", (f"timm/{n}" for n in timm.list_models()))
    return timm.create_model(name, pretrained=False, num_classes=classes)


def to_header(builder: str, arguments: dict[str, Any]) -> dict[str, str]:
    """What a weights file says of its network."""
    return {"builder": json.dumps({"name": builder, "arguments": arguments}, sort_keys=True)}


def from_header(header: dict[str, str]) -> nn.Module:
    """The network, with fresh weights, that a weights file says it is of."""
    try:
        given = json.loads(header["builder"])
        return build(given["name"], given["arguments"])
    except InputError as error:
        raise InputError(f"the weights' header names a network that cannot be built: {error}") from None
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"the weights' header names no network of this laboratory: {reason}") from None
