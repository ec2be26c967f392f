"""FlexConv's mask: a Gaussian on a kernel, with trained widths."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from windowconv.lab.models.relatives.constructed_kernel import ConstructedKernel, options_of

VARIANCE = 0.125
"""Of the mask at the start, on a kernel from -1 to 1."""
SMALLEST = 1e-8
"""Added to the variance, so that nothing is divided by zero."""


def gaussian_mask(convolution: nn.Conv2d) -> nn.Module:
    """Arms `-flex`: the convolution under `MaskedConv2d`'s mask."""
    masked = MaskedConv2d(**options_of(convolution))
    masked.weight, masked.bias = convolution.weight, convolution.bias
    return masked


class MaskedConv2d(ConstructedKernel):
    """A convolution whose kernel is multiplied by a Gaussian with trained widths, one for each axis of a layer.

        m(y, x) = exp(-(y^2 / sigma_y^2 + x^2 / sigma_x^2) / 2),   y and x from -1 to 1 over the kernel.

    The mask alone: FlexConv's kernels are the output of a network of coordinates and are cropped where the mask is
    small; here they are plain weights of a fixed size. The widths do not decay. The arguments are torch's.

    Source: Romero, Bruintjes, Tomczak, Bekkers, Hoogendoorn & van Gemert, "FlexConv: continuous kernel convolutions
    with differentiable kernel sizes", ICLR 2022, section 3.
    """

    without_decay = ("sigma",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sigma = nn.Parameter(self.weight.new_full((2,), VARIANCE**0.5))

    def mask(self) -> Tensor:
        """m, (kH, kW); 1 in the middle."""
        along_y, along_x = (
            torch.linspace(-1, 1, taps, device=sigma.device, dtype=sigma.dtype).square() / (sigma.square() + SMALLEST)
            for taps, sigma in zip(self.kernel_size, self.sigma, strict=True)
        )
        return torch.exp(-(along_y[:, None] + along_x) / 2)

    def kernel(self) -> Tensor:
        """The weight times the mask."""
        return self.weight * self.mask()
