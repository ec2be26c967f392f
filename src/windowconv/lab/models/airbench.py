"""The network with which CIFAR-10 is trained to 94 % in ten epochs, with kernels of any size and window."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.lab.models.arm_layers import put_arm
from windowconv.lab.models.arms import Arm, parse_arm
from windowconv.lab.models.identity_start import start_as_identity

SMALLEST = 9
"""Pixels that an image needs on each side: 9 -> 8 -> 4 -> 2 -> 1."""


class Whitening(nn.Module):
    """A frozen 2x2 convolution that decorrelates patches, with a trained bias; 32 pixels become 31.

    Its filters are the eigenvectors of the covariance of 2x2 patches of normalised images, each over the square root of
    its eigenvalue + 5e-4, and their negatives: 8 a channel. The normalisation is contained in them. Until `fit` they
    are zero; afterwards they are a part of the network's state, like any weights. It is no `nn.Conv2d`, so that
    conversions and spectra leave it alone. Source: K. Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024.

    Args:
        channels: of the images.
    """

    EPS = 5e-4

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.outputs = 8 * channels
        self.register_buffer("weight", torch.zeros(self.outputs, channels, 2, 2))
        self.register_buffer("offset", torch.zeros(self.outputs))
        bound = (4 * channels) ** -0.5  # as torch's own convolution
        self.bias = nn.Parameter(torch.empty(self.outputs).uniform_(-bound, bound))

    weight: Tensor
    offset: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Outputs (N, 8 C, H - 1, W - 1) of images (N, C, H, W)."""
        return F.conv2d(images, self.weight, self.offset + self.bias)

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Take the filters from images (N, C, H, W) in [0, 1]; a constant channel counts as one of variance 1."""
        images = images.detach().cpu().double()
        channels = images.shape[1]
        std, mean = torch.std_mean(images, (0, 2, 3), correction=0)
        std = torch.where(std > 0, std, 1.0)
        normalised = (images - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)
        patches = F.unfold(normalised, 2).transpose(1, 2).reshape(-1, 4 * channels)
        values, vectors = torch.linalg.eigh(torch.cov(patches.T, correction=0))
        filters = (vectors / (values.clamp(min=0) + self.EPS).sqrt()).T.flip(0).reshape(-1, channels, 2, 2)
        filters = filters / std.view(-1, 1, 1)
        offset = -(filters * mean.view(-1, 1, 1)).sum((1, 2, 3))
        self.weight.copy_(torch.cat([filters, -filters]))
        self.offset.copy_(torch.cat([offset, -offset]))


class Scale(nn.Module):
    """Multiply by a constant.

    Args:
        factor: the constant.
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, input: Tensor) -> Tensor:
        """The input times the factor, of the same shape."""
        return input * self.factor

    def extra_repr(self) -> str:
        return f"{self.factor:g}"


def airbench(
    arm: str, classes: int, channels: int, widths: Sequence[int] = (64, 256, 256), seed: int = 0
) -> nn.Sequential:
    """A whitening layer, three groups of two convolutions, and a linear layer; `Whitening.fit` comes before training.

    Each group: convolution, max pooling by 2, batch norm, GELU, convolution, batch norm, GELU. The padding keeps the
    size, so that 32 pixels become 31, 15, 7 and 3; the largest value of each channel is classified, and the outputs
    are divided by 9. Convolutions have no bias and start as an identity on their first channels; the scale of batch
    norms is fixed at 1. Source: K. Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024.

    Args:
        arm: as in `parse_arm`; the whitening layer has no part in it.
        classes: of the output.
        channels: of the images.
        widths: channels of the three groups.
        seed: of a shuffled or jittered window.

    Raises:
        InputError: a window that is zero in the middle, which can pass on no identity.
    """
    parsed = parse_arm(arm)
    stem = Whitening(channels)
    layers: list[nn.Module] = [stem, nn.GELU()]
    inputs = stem.outputs
    for width in widths:
        layers += [
            *_convolutions(inputs, width, parsed),
            nn.MaxPool2d(2),
            _norm(width),
            nn.GELU(),
            *_convolutions(width, width, parsed),
            _norm(width),
            nn.GELU(),
        ]
        inputs = width
    head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(inputs, classes, bias=False), Scale(1 / 9)]
    network = nn.Sequential(*layers, *head)
    put_arm(network, parsed, seed)
    start_as_identity(network)
    return network


def _convolutions(inputs: int, outputs: int, arm: Arm) -> list[nn.Module]:
    """The convolution of an arm; or 3x3 ones of the same receptive field, with batch norm and GELU in between."""
    if arm.form != "stack":
        return [_convolution(inputs, outputs, arm.kernel_size)]
    layers: list[nn.Module] = [_convolution(inputs, outputs, 3)]
    for _ in range((arm.kernel_size - 1) // 2 - 1):
        layers += [_norm(outputs), nn.GELU(), _convolution(outputs, outputs, 3)]
    return layers


def _convolution(inputs: int, outputs: int, kernel_size: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
    norm.weight.requires_grad_(False)
    return norm
