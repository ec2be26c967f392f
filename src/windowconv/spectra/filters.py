"""A model's convolutions, and their effective weights as (filters, channels, *kernel)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from windowconv.errors import InputError, not_finite, unknown
from windowconv.kernel_geometry import Convolution
from windowconv.layers import WINDOWED
from windowconv.windowed import WindowedMixin


def convolutions(model: nn.Module) -> dict[str, Convolution]:
    """All convolutions of a model by name, transposed ones included, each once; an `InputError` unless a module."""
    if not isinstance(model, nn.Module):
        raise InputError(f"model={type(model).__name__}; allowed: a torch.nn.Module")
    return {n: m for n, m in model.named_modules() if isinstance(m, (*WINDOWED, WindowedMixin))}


def filters_of(name: str, layer: Convolution) -> Tensor:
    """A layer's filters as (filters, channels, *kernel): the effective weight, dilated, one filter per output channel.

    Raises:
        InputError: a lazy layer that has not run; NaN or infinite values. The message names the layer.
    """
    title = f"layer {name!r}" if name else f"the model ({type(layer).__name__})"
    if is_lazy(layer.weight) or layer.weight.is_meta:
        raise InputError(f"{title} has no weight yet; allowed: after one run on an example, or with weights loaded")
    weight = (layer.effective_weight if isinstance(layer, WindowedMixin) else layer.weight).detach()
    if not torch.isfinite(weight).all():
        raise not_finite(title, int((~torch.isfinite(weight)).sum()))
    if layer.transposed:
        split = weight.unflatten(0, (layer.groups, -1))  # groups, inputs a group, outputs a group, kernel
        weight = split.transpose(1, 2).flatten(0, 1)
    return dilated(weight, tuple(layer.dilation))


def sampled(weight: Tensor, count: int) -> Tensor:
    """At most `count` single kernels (pairs, 1, *kernel) of filters (filters, channels, *kernel), by a fixed seed."""
    kernels = weight.flatten(0, 1).unsqueeze(1)
    if len(kernels) <= count:
        return kernels
    drawn = torch.randperm(len(kernels), generator=torch.Generator().manual_seed(0))[:count]
    return kernels[drawn.to(kernels.device)]


def dilated(weight: Tensor, dilation: tuple[int, ...]) -> Tensor:
    """Kernels (filters, channels, *kernel) with zeros in the gaps of a dilation."""
    if max(dilation) == 1:
        return weight
    size = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    spread = weight.new_zeros(*weight.shape[:2], *size)
    spread[(slice(None), slice(None), *(slice(None, None, d) for d in dilation))] = weight
    return spread


def select_layers(found: Mapping[str, Convolution], names: Sequence[str] | None) -> dict[str, Convolution]:
    """The layers with these names, or within modules with these names; all for None.

    Raises:
        InputError: a name that matches nothing.
    """
    if names is None:
        return dict(found)
    if isinstance(names, str):
        raise InputError(f"layers={names!r}; allowed: a list of names")
    for wanted in names:
        if not any(_within(name, wanted) for name in found):
            raise unknown("layers", wanted, found)
    return {name: layer for name, layer in found.items() if any(_within(name, wanted) for wanted in names)}


def _within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")
