"""Convolutions that start as an identity on their first channels."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import nn

from windowconv.errors import InputError
from windowconv.plan import start_values
from windowconv.windowed import WindowedMixin


@runtime_checkable
class StartsAsIdentity(Protocol):
    """A module that knows by itself how it starts as an identity."""

    def start_as_identity(self) -> None:
        """Change the weights, in place."""
        ...


def start_as_identity(network: nn.Module) -> None:
    """Let every convolution in a network pass on its first channels, in place.

    Raises:
        InputError: a window that is zero in the middle.
    """
    if isinstance(network, StartsAsIdentity):
        network.start_as_identity()
    elif isinstance(network, nn.Conv2d):
        pass_on(network)
    else:
        for child in network.children():
            start_as_identity(child)


@torch.no_grad()
def pass_on(layer: nn.Conv2d) -> None:
    """Let the first min(in, out) channels of a convolution's output be those of its input, whatever its window.

    The raw weight's middle tap is 1 over the window's. Source: the Dirac initialisation of S. Zagoruyko &
    N. Komodakis, "DiracNets", 2017, without its residual weight.
    """
    size = tuple(layer.kernel_size)
    middle = tuple(taps // 2 for taps in size)
    window = layer.window if isinstance(layer, WindowedMixin) else None
    value = 1.0 if window is None else float(start_values(window, size)[middle])
    if value == 0:
        raise InputError(f"window={window}: zero at the kernel's middle tap; allowed: one that passes on an identity")
    channels, inputs = min(layer.in_channels, layer.out_channels), layer.in_channels // layer.groups
    layer.weight[:channels] = 0
    layer.weight[range(channels), [place % inputs for place in range(channels)], middle[0], middle[1]] = 1 / value
