"""The plan of a conversion: what happens to each convolution, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from windowconv.eligibility import Patterns, matching, unfit
from windowconv.errors import InputError
from windowconv.kernel_geometry import Convolution, KernelSize, grown_padding, grown_size, tap_offset
from windowconv.layers import WINDOWED
from windowconv.learnable import LearnableWindow
from windowconv.tables import by_sign, format_table
from windowconv.windowed import LayerWindow
from windowconv.windows import Window, as_window, window_values


@dataclass(frozen=True)
class LayerPlan:
    """The plan for one layer.

    `action` is "window" (becomes a windowed layer), "leave" (left alone by default) or "skip" (cannot be converted).
    `amplification` is the largest factor by which a `preserve` conversion enlarges a raw weight: 1 / (the window's
    smallest value over the old taps).
    """

    name: str
    action: Literal["window", "leave", "skip"]
    reason: str
    old_size: tuple[int, ...]
    size: tuple[int, ...]
    padding: str | tuple[int, ...]
    window: Window | LearnableWindow | None = None
    amplification: float = 1.0


@dataclass(frozen=True)
class ConversionPlan:
    """What `convert` does, layer by layer; prints as a table."""

    layers: tuple[LayerPlan, ...]
    preserve: bool

    def __str__(self) -> str:
        rows = []
        for layer in self.layers:
            kernel = by_sign(layer.old_size)
            if layer.size != layer.old_size:
                kernel += f" -> {by_sign(layer.size)}"
            does = f"{layer.window}" if layer.action == "window" else f"{layer.action}: {layer.reason}"
            row = [layer.name or "(the model)", kernel, does]
            rows.append([*row, f"{layer.amplification:.1f}"] if self.preserve else row)
        header = ["layer", "kernel", "window"] + (["amplification"] if self.preserve else [])
        return format_table(header, rows)


def plan_conversion(
    model: nn.Module,
    *,
    window: LayerWindow = "hamming",
    kernel_size: KernelSize = None,
    include: Patterns = None,
    exclude: Patterns = None,
    preserve: bool = False,
) -> ConversionPlan:
    """What `convert` would do with these arguments, without changing the model.

    Args:
        model, window, kernel_size, include, exclude, preserve: as in `convert`.

    Raises:
        InputError: as `convert`.

    >>> from torch import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 1))
    >>> print(plan_conversion(net, kernel_size=7))
    layer  kernel      window
    0      3x3 -> 7x7  hamming
    2      1x1         leave: one tap
    """
    bases = tuple(WINDOWED)
    found = {name: m for name, m in model.named_modules() if isinstance(m, bases)}
    if not found:
        raise InputError(f"model={type(model).__name__}; allowed: a model with convolutions")
    included = matching(found, include, "include")
    excluded = matching(found, exclude, "exclude")
    layers = []
    for name, layer in found.items():
        if (include is not None and name not in included) or (exclude is not None and name in excluded):
            continue
        layers.append(plan_layer(name, layer, window, kernel_size, include is not None, preserve))
    if isinstance(kernel_size, Mapping):
        sizes = {k for layer in layers if layer.action == "window" for k in layer.old_size}
        if sizes and not sizes & set(kernel_size):
            raise InputError(f"kernel_size={dict(kernel_size)}; allowed: sizes of the model's layers, {sorted(sizes)}")
    if not any(layer.action == "window" for layer in layers):
        reasons = sorted({layer.reason for layer in layers}) or ["all are excluded"]
        raise InputError(
            f"model={type(model).__name__}; allowed: a model with layers to convert ({'; '.join(reasons)})"
        )
    return ConversionPlan(tuple(layers), preserve)


def plan_layer(
    name: str, layer: Convolution, window: LayerWindow, kernel_size: KernelSize, chosen: bool, preserve: bool
) -> LayerPlan:
    """The plan for one layer; a `chosen` one is converted even if it is a patch embedding."""
    old = tuple(layer.kernel_size)
    if (reason := unfit(layer)) is not None:
        return LayerPlan(name, "skip", reason, old, old, layer.padding)
    if not chosen and max(old) > 1 and old == tuple(layer.stride):
        return LayerPlan(name, "leave", "non-overlapping patches", old, old, layer.padding)
    try:
        size = grown_size(name, layer, kernel_size)
        if max(size) == 1:
            return LayerPlan(name, "leave", "one tap", old, old, layer.padding)
        padding = grown_padding(name, layer, size)
        spec = window if isinstance(window, LearnableWindow) else as_window(window, size)
        values = start_values(spec, size, layer.out_channels)
        amplification = _amplification(name, layer, size, values) if preserve else 1.0
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith("layer ") else f"layer {name!r}: {text}") from None
    return LayerPlan(name, "window", "", old, size, padding, spec, amplification)


def start_values(spec: Window | LearnableWindow, size: tuple[int, ...], channels: int) -> np.ndarray:
    """The values that a window starts with in a layer, (*size), in float64."""
    if isinstance(spec, LearnableWindow):
        with torch.no_grad():
            return spec.module(size, channels, torch.float64, "cpu")()[0].numpy()
    return window_values(spec, size)


def _amplification(name: str, layer: Convolution, size: tuple[int, ...], values: np.ndarray) -> float:
    if (np.abs(values) <= 1e-12 * np.abs(values).max()).any():
        raise InputError(
            f"layer {name!r}: preserve=True with a window that is zero at some of {by_sign(size)} taps; "
            "allowed: windows without zeros, such as 'hamming'"
        )
    places = tap_offset(name, layer, size)
    inside = tuple(slice(o, o + k) for o, k in zip(places, layer.kernel_size, strict=True))
    return float(1 / np.abs(values[inside]).min())
