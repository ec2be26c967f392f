"""Windowed networks, and torch's plain layers with the weights in effect: what a windowed network must compute.

The weights in effect are computed here from the windows' formulas, not by the library's `fold`.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.layers import WindowedConv2d
from windowconv.learnable import LearnableWindow
from windowconv.windowed import WindowedMixin
from windowconv.windows import window_values

WINDOWS: dict[str, Any] = {
    "hamming": "hamming",
    "kaiser": ("kaiser", 5.0),
    "learnable": LearnableWindow("gaussian", per_channel=True),
}


class Network(nn.Module):
    """Two windowed layers and one without a window, (N, 3, H, W) to (N, 2); the learnable window has left its start."""

    def __init__(self, window: Any = "hamming", algorithm: Any = "auto") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = WindowedConv2d(3, 4, 7, padding=3, window=window, algorithm=algorithm)
        self.act = nn.ReLU()
        self.conv = WindowedConv2d(4, 4, 5, padding=2, window=window, algorithm=algorithm)
        self.point = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 2)
        for parameter in (p for n, p in self.named_parameters() if "learnable_window" in n):
            nn.init.uniform_(parameter, 0.5, 1.5)

    def forward(self, input: Tensor) -> Tensor:
        features = self.point(self.act(self.conv(self.act(self.stem(input)))))
        return self.head(features.mean((2, 3)))


def images(count: int = 2) -> Tensor:
    """(count, 3, 12, 12)."""
    return torch.rand(count, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def plain_network(network: nn.Module) -> Any:
    """A copy with torch's layers, whose weights are the raw ones times the windows."""
    twin = copy.deepcopy(network)
    for name, layer in network.named_modules():
        if isinstance(layer, WindowedMixin):
            twin.set_submodule(name, plain_layer(layer))
    return twin


def plain_layer(layer: Any) -> nn.Conv2d:
    """Torch's 2-D layer with the weight times the window, in float64 and rounded once."""
    weight = layer.weight.detach().double() * window_of(layer)
    plain = nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size, padding=layer.padding)
    plain = plain.to(layer.weight.device, layer.weight.dtype)
    with torch.no_grad():
        plain.weight.copy_(weight)
        assert plain.bias is not None
        plain.bias.copy_(layer.bias)
    return plain


def window_of(layer: Any) -> Tensor:
    """A layer's window in float64, in a shape that broadcasts to its weight."""
    if not isinstance(layer.window, LearnableWindow):
        return torch.tensor(window_values(layer.window, layer.kernel_size))
    assert layer.window == WINDOWS["learnable"]
    sigma = torch.log1p(layer.learnable_window.raw.detach().double().exp())  # (channels, 1)
    taps = torch.arange(layer.kernel_size[0], dtype=torch.float64) - (layer.kernel_size[0] - 1) / 2
    profile = torch.exp(-0.5 * (taps / sigma).square())
    return (profile[:, :, None] * profile[:, None, :])[:, None]
