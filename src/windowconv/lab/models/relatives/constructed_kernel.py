"""Convolutions whose kernel is made of their parameters at each call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn


class ConstructedKernel(nn.Conv2d, ABC):
    """A convolution with `kernel()` in its weight's place."""

    @abstractmethod
    def kernel(self) -> Tensor:
        """The kernel (out, in / groups, kH, kW)."""

    def forward(self, input: Tensor) -> Tensor:
        """As of torch's own convolution with this kernel."""
        return self._conv_forward(input, self.kernel(), self.bias)

    def merged(self) -> nn.Conv2d:
        """Torch's own convolution with the present kernel."""
        return with_weight(self, self.kernel().detach())


def options_of(convolution: nn.Conv2d, **changes: Any) -> dict[str, Any]:
    """The arguments with which another convolution of the same geometry, device and precision is made."""
    return {
        "in_channels": convolution.in_channels,
        "out_channels": convolution.out_channels,
        "kernel_size": convolution.kernel_size,
        "stride": convolution.stride,
        "padding": convolution.padding,
        "dilation": convolution.dilation,
        "groups": convolution.groups,
        "bias": convolution.bias is not None,
        "padding_mode": convolution.padding_mode,
        "device": convolution.weight.device,
        "dtype": convolution.weight.dtype,
        **changes,
    }


def with_weight(convolution: nn.Conv2d, weight: Tensor) -> nn.Conv2d:
    """Torch's own convolution like another, with this weight and the other's bias."""
    plain = nn.Conv2d(**options_of(convolution, kernel_size=tuple(weight.shape[2:])))
    plain.weight = nn.Parameter(weight)
    plain.bias = convolution.bias
    return plain.train(convolution.training)


def fresh_weight(convolution: nn.Conv2d, *taps: int) -> nn.Parameter:
    """A new weight (out, in / groups, *taps), normally distributed.

    Its root mean square is the old one's times sqrt(old taps / new taps).
    """
    old = convolution.weight
    new = torch.randn(*old.shape[:2], *taps, device=old.device, dtype=old.dtype)
    ratio = old[0, 0].numel() / new[0, 0].numel()
    return nn.Parameter(new * (old.detach().square().mean() * ratio).sqrt())
