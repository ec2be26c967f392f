"""Adaptive polyphase sampling: of all grids on which every stride-th sample lies, the one with the most energy."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def polyphase(stride: int) -> nn.Module:
    """Arms `-aps`, see `PolyphaseSampling`."""
    return PolyphaseSampling(stride)


class PolyphaseSampling(nn.Module):
    """Keep the polyphase component with the largest norm, for each image anew.

        y = x[:, a::s, b::s]   with (a, b) = argmax over 0 <= a, b < s of the 2-norm of x[:, a::s, b::s],

    the norm over all channels and samples; of equal ones the first. A map that is shifted by a pixel keeps the same
    samples, so that a network with circular padding and sides that the strides divide is invariant to shifts. Zeros
    beyond the edges, as most networks have them, spoil that a little. Sides that s does not divide are made longer by
    their last samples.

    Args:
        stride: s.

    Not for networks with parallel branches that subsample and are added: each would choose for itself.

    Source: Chaman & Dokmanic, "Truly shift-invariant convolutional neural networks", CVPR 2021.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        """The samples (N, C, ceil(H / s), ceil(W / s)) of maps (N, C, H, W)."""
        s = self.stride
        height, width = input.shape[2:]
        if height % s or width % s:
            input = F.pad(input, (0, -width % s, 0, -height % s), mode="replicate")
        parts = input.unflatten(3, (-1, s)).unflatten(2, (-1, s))  # N, C, H / s, a, W / s, b
        parts = parts.permute(0, 3, 5, 1, 2, 4).flatten(1, 2)
        energies = parts.detach().float().square().sum((2, 3, 4))
        chosen = energies.argmax(1)[:, None, None, None, None]
        return parts.gather(1, chosen.expand(-1, 1, *parts.shape[2:])).squeeze(1)

    def before_subsampling(self, input: Tensor) -> Tensor:
        """What is sampled, for `windowconv.spectra.aliasing`: the maps themselves."""
        return input

    def extra_repr(self) -> str:
        return f"stride={self.stride}"
