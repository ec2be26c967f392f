"""ResNet-18 with a width: torchvision's network at 64 channels, for images of ImageNet's or of CIFAR's size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from windowconv.errors import InputError, require

BLOCKS = 2  # a stage
STAGES = 4
NARROWEST = 8
"""With fewer channels the gradient of a 1x1 convolution at stride 2 writes beyond its memory, in torch 2.15 for
channels-last tensors on processors without AVX-512."""


class ResNet18(nn.Module):
    """ResNet-18 (He et al., 2016) with torchvision's blocks, names and initialisation.

    With widths 64, 128, 256, 512 and the stem "imagenet" its state dict is that of `torchvision.models.resnet18`, which
    takes no width.

    Args:
        classes: of the output.
        channels: of the images.
        widths: channels of the four stages; the stem has the first one's.
        stem: "imagenet": 7x7 at stride 2, then max-pooling by 3x3 at stride 2; "cifar": 3x3 at stride 1, no pooling.
    """

    def __init__(
        self,
        classes: int = 1000,
        channels: int = 3,
        widths: Sequence[int] = (64, 128, 256, 512),
        stem: Literal["imagenet", "cifar"] = "imagenet",
    ) -> None:
        super().__init__()
        if len(widths) != STAGES or min(widths) < NARROWEST:
            raise InputError(f"widths={list(widths)}; allowed: channels of {STAGES} stages, each {NARROWEST} or more")
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(channels, widths[0], 7, stride=2, padding=3, bias=False)
        else:
            self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if stem == "imagenet" else nn.Identity()
        for i, width in enumerate(widths):
            self.add_module(f"layer{i + 1}", _stage(widths[max(i - 1, 0)], width, stride=1 if i == 0 else 2))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[-1], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes) of images (N, channels, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for i in range(STAGES):
            x = self.get_submodule(f"layer{i + 1}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _stage(inputs: int, width: int, stride: int) -> nn.Sequential:
    block = require("torchvision.models.resnet", "lab").BasicBlock
    shortcut = None
    if stride != 1 or inputs != width:
        shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))
    return nn.Sequential(block(inputs, width, stride, shortcut), *(block(width, width) for _ in range(BLOCKS - 1)))
