"""RepLKNet's large depthwise kernel with a small one beside it, which is merged into it after training."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.effective import effective_weight
from windowconv.lab.models.identity_start import pass_on
from windowconv.lab.models.relatives.constructed_kernel import options_of
from windowconv.lab.models.relatives.depthwise import is_separable, per_channel, pointwise

SMALL = 3
"""Side of the small kernel beside one below `LARGE`, and `SMALL_BESIDE_LARGE` from there on, as in RepLKNet."""
LARGE, SMALL_BESIDE_LARGE = 13, 5


def parallel_kernels(convolution: nn.Conv2d) -> nn.Module:
    """Arms `-replk`, see `ParallelKernels`; kernels that are no larger than the small one stay."""
    side = small_side(convolution)
    if not is_separable(convolution) or min(convolution.kernel_size) <= side:
        return convolution
    return ParallelKernels(convolution)


def small_side(convolution: nn.Conv2d) -> int:
    """The side of the small kernel beside a convolution's."""
    return SMALL_BESIDE_LARGE if max(convolution.kernel_size) >= LARGE else SMALL


class ParallelKernels(nn.Module):
    """Two depthwise kernels whose normalised outputs are added, then a 1x1 convolution.

        y = P (BN(L x) + BN(S x))

    In evaluation both are one kernel, (g_L / s_L) L + (g_S / s_S) pad(S), with s the root of a norm's running variance
    and g its scale; `merged` makes it.

    Args:
        convolution: whose place it takes.

    Source: Ding, Zhang, Han & Ding, "Scaling up your kernels to 31x31", CVPR 2022, guideline 3.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        side = small_side(convolution)
        gaps = [k - side for k in convolution.kernel_size]
        steps = zip(convolution.dilation, gaps, strict=True)
        inner = [step * gap // 2 for step, gap in steps]  # padding that the small kernel does not need
        self.large = per_channel(convolution, bias=False)
        padding = convolution.padding
        if not isinstance(padding, str):
            padding = tuple(p - i for p, i in zip(padding, inner, strict=True))
        options = {"groups": convolution.in_channels, "out_channels": convolution.in_channels, "bias": False}
        self.small = nn.Conv2d(**options_of(convolution, kernel_size=side, padding=padding, **options))
        where = {"device": convolution.weight.device, "dtype": convolution.weight.dtype}
        self.large_norm = nn.BatchNorm2d(convolution.in_channels, **where)
        self.small_norm = nn.BatchNorm2d(convolution.in_channels, **where)
        self.pointwise = pointwise(convolution)

    def forward(self, input: Tensor) -> Tensor:
        """Maps (N, out, H', W') of maps (N, in, H, W), as of the convolution."""
        return self.pointwise(self.large_norm(self.large(input)) + self.small_norm(self.small(input)))

    def start_as_identity(self) -> None:
        """The large kernel and the 1x1 convolution pass on their input, the small kernel's norm has the scale 0: an
        identity but for the standardisation by the large one's norm."""
        pass_on(self.large)
        pass_on(self.pointwise)
        nn.init.zeros_(self.small_norm.weight)

    @torch.no_grad()
    def merged(self) -> nn.Module:
        """One depthwise kernel with a bias, and the 1x1 convolution."""
        large, bias = _normalised(self.large, self.large_norm)
        small, offset = _normalised(self.small, self.small_norm)
        edges = [(a - b) // 2 for a, b in zip(large.shape[2:], small.shape[2:], strict=True)]
        weight = large + F.pad(small, (edges[1], edges[1], edges[0], edges[0]))
        depthwise = nn.Conv2d(**options_of(self.large, bias=True))
        depthwise.weight.copy_(weight)
        assert depthwise.bias is not None
        depthwise.bias.copy_(bias + offset)
        merged = nn.Sequential(OrderedDict(depthwise=depthwise, pointwise=self.pointwise))
        return merged.train(self.training)


def _normalised(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """The kernel and the bias, in float64, of a convolution with the batch norm that follows it, in evaluation."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    kernel = effective_weight(convolution).double() * factor.view(-1, 1, 1, 1)
    return kernel, norm.bias.double() - factor * norm.running_mean.double()
