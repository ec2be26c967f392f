"""A model's convolutions, and their effective weights as (filters, channels, *kernel)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.effective import by_axis, effective_weight, title_of, without_values
from windowconv.errors import InputError, not_finite, unknown
from windowconv.integers import as_int
from windowconv.kernel_geometry import Convolution
from windowconv.layers import WINDOWED
from windowconv.windowed import WindowedMixin


def convolutions(model: nn.Module) -> dict[str, Convolution]:
    """All convolutions of a model by name, transposed ones included, each once; an `InputError` unless a module."""
    if not isinstance(model, nn.Module):
        raise InputError(f"model={type(model).__name__}; allowed: a torch.nn.Module")
    return {n: m for n, m in model.named_modules() if isinstance(m, (*WINDOWED, WindowedMixin))}


@dataclass(frozen=True)
class Filters:
    """A layer's filters, dilated, and what of the layer belongs to them.

    `weight` is (filters, channels, *kernel), the gaps of the dilation included, `kernel` the taps without them,
    `window` its text, None for a plain layer, and `window_values` its values with the same gaps, (*kernel), None also
    for a boxcar; of a learnable window, the root mean square over the channels.
    """

    kind: str
    weight: Tensor
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    transposed: bool
    window: str | None
    window_values: Tensor | None


def layer_filters(name: str, layer: Any) -> Filters:
    """A layer's filters; an `InputError` as `effective_weight`, or for values that are not finite."""
    weight, title = effective_weight(layer, name), title_of(name, layer)
    if weight.is_meta:
        raise without_values(title)
    if not torch.isfinite(weight).all():
        raise not_finite(title, int((~torch.isfinite(weight)).sum()))
    kernel, axes = tuple(weight.shape[2:]), weight.ndim - 2
    stride, dilation = by_axis(layer, "stride", axes), by_axis(layer, "dilation", axes)
    if kernel != by_axis(layer, "kernel_size", axes, kernel):
        dilation = (1,) * axes  # the gaps are in the weight
    groups, transposed = as_int(getattr(layer, "groups", 1)) or 1, bool(getattr(layer, "transposed", False))
    if transposed:
        split = weight.unflatten(0, (groups, -1))  # groups, inputs a group, outputs a group, kernel
        weight = split.transpose(1, 2).flatten(0, 1)
    window = str(layer.window) if isinstance(layer, WindowedMixin) else None
    values = _window_values(layer) if isinstance(layer, WindowedMixin) else None
    if values is not None:
        values = dilated(values[None, None], dilation)[0, 0]
    weight = dilated(weight, dilation)
    return Filters(type(layer).__name__, weight, kernel, stride, dilation, groups, transposed, window, values)


def _window_values(layer: WindowedMixin) -> Tensor | None:
    if layer.learnable_window is None:
        return layer.window_values
    return layer.learnable_window().detach().double().square().mean(0).sqrt()


def filters_of(name: str, layer: Any) -> Tensor:
    """A layer's filters as (filters, channels, *kernel): the effective weight, dilated, one filter per output channel.

    Raises:
        InputError: as `effective_weight`; NaN or infinite values. The message names the layer.
    """
    return layer_filters(name, layer).weight


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


def select_layers(found: Mapping[str, Any], names: Sequence[str] | None) -> dict[str, Any]:
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
