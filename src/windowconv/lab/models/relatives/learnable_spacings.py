"""Dilated convolution with learnable spacings: a few elements of a kernel, at positions that are trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from windowconv.lab.models.relatives.constructed_kernel import ConstructedKernel, fresh_weight, options_of

ELEMENTS = 9
"""As many as a 3x3 kernel has."""
SPREAD = 0.5
"""Standard deviation of the positions at the start, in taps."""
RATE = 5.0
"""The positions' learning rate over the others'."""


def learnable_spacings(convolution: nn.Conv2d) -> nn.Module:
    """Arms `-dcls`: the convolution with `ELEMENTS` elements within its kernel's square, see `SpacedConv2d`."""
    spaced = SpacedConv2d(**options_of(convolution))
    spaced.weight = fresh_weight(convolution, ELEMENTS)
    spaced.bias = convolution.bias
    return spaced


class SpacedConv2d(ConstructedKernel):
    """A convolution whose kernel has few elements, at positions that are trained with them.

        K[y, x] = sum_k w[k] h(y - p_y[k]) h(x - p_x[k]),   h(t) = max(0, 1 - |t|),

    bilinear interpolation of each element to its four nearest taps; y and x are in taps from the middle, and positions
    end at the outermost taps. They start normally distributed about the middle, do not decay, and learn at `RATE`
    times the rate of the weights. The arguments are torch's; a kernel of k taps a side has `ELEMENTS` elements.

    Source: Khalfaoui-Hassani, Pellegrini & Masquelier, "Dilated convolution with learnable spacings", ICLR 2023.
    Their positions are for depthwise kernels (here `-depthwise-dcls`, `-convnext-dcls`) and for dense ones.
    """

    without_decay = ("positions",)
    learning_rates = (("positions", RATE),)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        weight = self.weight
        shape = (*weight.shape[:2], ELEMENTS)
        self.weight = nn.Parameter(weight.detach().flatten(2).mean(2, keepdim=True).expand(shape).contiguous())
        positions = SPREAD * torch.randn(2, *shape, device=weight.device, dtype=weight.dtype)
        self.positions = nn.Parameter(positions)

    def kernel(self) -> Tensor:
        """K, (out, in / groups, kH, kW)."""
        along_y, along_x = (
            self._hats(positions, size) for positions, size in zip(self.positions, self.kernel_size, strict=True)
        )
        return torch.einsum("oik,oiky,oikx->oiyx", self.weight, along_y, along_x)

    def _hats(self, positions: Tensor, taps: int) -> Tensor:
        """h at every tap along an axis, (out, in / groups, elements, taps)."""
        end = (taps - 1) / 2
        # the gradient passes where a position has run beyond the end, so that it can come back
        inside = positions + (positions.clamp(-end, end) - positions).detach()
        places = torch.arange(taps, device=positions.device, dtype=positions.dtype) - end
        below = inside.detach().floor()
        share = (inside - below)[..., None]  # of the tap above: its derivative is 1 on a tap, too, as in the paper
        below = below[..., None]
        return (places == below) * (1 - share) + (places == below + 1) * share

    @torch.no_grad()
    def start_as_identity(self) -> None:
        """One element of each of the first channels is 1 in the middle, the others are 0."""
        channels, inputs = min(self.in_channels, self.out_channels), self.in_channels // self.groups
        places = torch.arange(channels, device=self.weight.device)
        self.weight[:channels] = 0
        self.weight[places, places % inputs, 0] = 1
        self.positions[:, places, places % inputs, 0] = 0
