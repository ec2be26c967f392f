"""Which layers of a network an arm's window is for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from windowconv.errors import InputError
from windowconv.windowed import WindowedMixin

POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d)
Layers = Sequence[tuple[str, nn.Module]]


def layers_at(network: nn.Module, place: str) -> set[str]:
    """The names of the windowed layers at a place.

    Args:
        network: its layers in the order in which they are called.
        place: "first": the first one. "pooled": those whose output is subsampled, by their stride or by a pooling that
            comes before the next convolution. "unpooled": the others. "all".

    Raises:
        InputError: none is there.
    """
    layers = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, WindowedMixin)]
    chosen = CHOICES[place](network, layers)
    if not chosen:
        raise InputError(f"arm's place={place!r}: the {type(network).__name__} has no such layer")
    return chosen


def _pooled(network: nn.Module, layers: Layers) -> set[str]:
    found, last = set(), None
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            last = name
            if max(module.stride) > 1:
                found.add(name)
        elif isinstance(module, POOLS) and last is not None:
            found.add(last)
    return found & {name for name, _ in layers}


def _unpooled(network: nn.Module, layers: Layers) -> set[str]:
    return {name for name, _ in layers} - _pooled(network, layers)


CHOICES: dict[str, Callable[[nn.Module, Layers], set[str]]] = {
    "all": lambda _, layers: {name for name, _ in layers},
    "first": lambda _, layers: {name for name, _ in layers[:1]},
    "pooled": _pooled,
    "unpooled": _unpooled,
}
