"""ConvNeXt's block in a convolution's place."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.lab.models.relatives.depthwise import is_separable, per_channel

EXPANSION = 4
LAYER_SCALE = 1e-6


def convnext(convolution: nn.Conv2d) -> nn.Module:
    """Arms `-convnext`, see `ConvNextBlock`."""
    return ConvNextBlock(convolution) if is_separable(convolution) else convolution


class ConvNextBlock(nn.Module):
    """A depthwise kernel, then channels are mixed by two layers, added to the input.

        y = x + gamma W2 GELU(W1 LN(D x))

    D is one filter a channel with a bias, LN a layer norm over channels, W1 expands them four times, and gamma starts
    at 1e-6 for each channel, so that the block starts as an identity. With fewer output channels x is cut off; further
    ones have no x, and a gamma that starts at 1. At a stride above 1 there is neither x nor gamma. Dropped paths are
    left out.

    Args:
        convolution: whose place it takes.

    Source: Liu, Mao, Wu, Feichtenhofer, Darrell & Xie, "A ConvNet for the 2020s", CVPR 2022. There blocks keep their
    number of channels; how it changes here is not from the paper.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        inputs, outputs, weight = convolution.in_channels, convolution.out_channels, convolution.weight
        where = {"device": weight.device, "dtype": weight.dtype}
        self.depthwise = per_channel(convolution, bias=True)
        self.norm = nn.LayerNorm(inputs, eps=1e-6, **where)
        self.expand = nn.Linear(inputs, EXPANSION * inputs, **where)
        self.project = nn.Linear(EXPANSION * inputs, outputs, **where)
        adds = max(convolution.stride) == 1
        start = torch.where(torch.arange(outputs, device=weight.device) < inputs, LAYER_SCALE, 1.0).to(weight.dtype)
        self.gamma = nn.Parameter(start) if adds else None
        for layer in (self.expand, self.project):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Maps (N, out, H', W') of maps (N, in, H, W), as of the convolution."""
        x = self.depthwise(input).permute(0, 2, 3, 1)
        x = self.project(F.gelu(self.expand(self.norm(x))))
        if self.gamma is None:
            return x.permute(0, 3, 1, 2)
        missing = self.gamma.shape[0] - input.shape[1]
        return F.pad(input, (0, 0, 0, 0, 0, missing)) + (self.gamma * x).permute(0, 3, 1, 2)

    def start_as_identity(self) -> None:
        """Its first channels do already, but for `LAYER_SCALE`."""
