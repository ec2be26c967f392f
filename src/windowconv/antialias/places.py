"""Where a model subsamples, and what can be done about it there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from windowconv.eligibility import Patterns, check_unwrapped, matching, replaced_forward
from windowconv.errors import InputError
from windowconv.integers import as_ints

BLUR = "antialias"
"""The name of the blur among a layer's children."""
CONVOLUTIONS = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}
MAX_POOLS = {nn.MaxPool1d: 1, nn.MaxPool2d: 2, nn.MaxPool3d: 3}
AVERAGE_POOLS = {nn.AvgPool1d: 1, nn.AvgPool2d: 2, nn.AvgPool3d: 3}
AXES: Mapping[Any, int] = {**CONVOLUTIONS, **MAX_POOLS, **AVERAGE_POOLS}


@dataclass(frozen=True)
class Place:
    """A layer that subsamples.

    Attributes:
        name, kind: of the layer, and its class.
        kernel, stride: in taps and samples, one for each axis.
        taps: of the blur.
        reason: why the layer is left as it is; empty if it is changed.
        before: whether the layer's input is blurred, rather than its output.
        convolves: whether it has multiply-adds.
    """

    name: str
    kind: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    taps: int
    reason: str = ""
    before: bool = False
    convolves: bool = True

    @property
    def axes(self) -> int:
        """Along which it subsamples."""
        return len(self.stride)

    @property
    def changes(self) -> bool:
        """Whether the layer is changed."""
        return not self.reason

    @property
    def does(self) -> str:
        """What becomes of it, in words."""
        if self.reason:
            return f"left: {self.reason}"
        blur = f"a blur of {self.taps} taps"
        return f"{blur} of its input, stride 1" if self.before else f"stride 1, then {blur}"

    @property
    def cost(self) -> str:
        """Its multiply-adds afterwards, but for the blur's own."""
        if not self.convolves:
            return "none"
        return "as before" if self.before or self.reason else f"{math.prod(self.stride)} times"


def places(
    model: nn.Module, taps: int | None, keep_stem: bool, include: Patterns, exclude: Patterns
) -> tuple[Place, ...]:
    """All layers of a model with a stride above 1, in its order.

    Args:
        model: any module tree.
        taps: of the blurs; None is 2 stride - 1.
        keep_stem: leave the first strided convolution as it is.
        include, exclude: as in `antialias`.
    """
    found = {name: layer for name, layer in model.named_modules() if _subsamples(layer)}
    included = matching(found, include, "include") if found else set()
    excluded = matching(found, exclude, "exclude") if found else set()
    stem = next((n for n, layer in found.items() if keep_stem and isinstance(layer, tuple(CONVOLUTIONS))), None)
    named = include is not None
    kept = {name: layer for name, layer in found.items() if (not named or name in included) and name not in excluded}
    return tuple(_place(name, layer, taps, named, name == stem) for name, layer in kept.items())


def check_whole(model: nn.Module) -> None:
    """An `InputError` for a model whose layers cannot be changed: scripted, or sharded by a wrapper."""
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError(f"model={type(model).__name__}, which is scripted or traced; allowed: the model itself")
    check_unwrapped(model, changes=False)


def restore(layer: Any) -> None:
    """A layer without its blur, at its stride."""
    layer.antialias_hook.remove()
    layer.stride = layer.antialias_stride
    del layer.antialias_hook, layer.antialias_stride, layer._modules[BLUR]


def _subsamples(layer: nn.Module) -> bool:
    return isinstance(layer, tuple(AXES)) and max(_sizes(layer, "stride")) > 1


def _sizes(layer: Any, name: str) -> tuple[int, ...]:
    """A layer's attribute, one number for all axes or one for each, as a tuple."""
    axes = next(axes for kind, axes in AXES.items() if isinstance(layer, kind))
    values = as_ints(getattr(layer, name)) or ()
    return values * axes if len(values) == 1 else values


def _place(name: str, layer: Any, taps: int | None, named: bool, is_stem: bool) -> Place:
    kernel, stride = _sizes(layer, "kernel_size"), _sizes(layer, "stride")
    convolves = isinstance(layer, tuple(CONVOLUTIONS))
    before = convolves and max(kernel) == 1 and not any(_padding(layer))
    reason = _why_not(layer, kernel, stride, named, is_stem)
    length = 2 * max(stride) - 1 if taps is None else taps
    return Place(name, type(layer).__name__, kernel, stride, length, reason, before, convolves)


def _padding(layer: Any) -> tuple[int, ...]:
    return (0,) if isinstance(layer.padding, str) else _sizes(layer, "padding")


def _why_not(layer: Any, kernel: tuple[int, ...], stride: tuple[int, ...], named: bool, is_stem: bool) -> str:
    if BLUR in layer._modules:
        return "blurs already"
    if is_stem:
        return "the stem, as asked"
    if isinstance(layer, LazyModuleMixin):
        return "lazy: run one batch first"
    if replaced_forward(layer):
        return "replaced forward method"
    if getattr(layer, "ceil_mode", False):
        return "ceil_mode, whose last output has no samples of its own"
    if getattr(layer, "return_indices", False):
        return "return_indices, which a blur has none of"
    if not named and isinstance(layer, tuple(CONVOLUTIONS)) and kernel == stride:
        return "non-overlapping patches"
    return ""
