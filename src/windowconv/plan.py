"""The plan of a conversion: what happens to each convolution, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from windowconv.eligibility import Patterns, check_unwrapped, convolutions, matching, unfit
from windowconv.errors import InputError
from windowconv.integers import as_int
from windowconv.kernel_geometry import Convolution, KernelSize, grown_padding, grown_size, kernel_taps, tap_offset
from windowconv.learnable import LearnableWindow
from windowconv.tables import Shown, TextTable, by_sign
from windowconv.weight_content import is_trained, kept_functions
from windowconv.windowed import LayerWindow, WindowedMixin
from windowconv.windows import Window, as_window, window_values

HAS_WINDOW = "has this window already"


@dataclass(frozen=True)
class LayerPlan:
    """The plan for one layer.

    `action` is "window" (becomes a windowed layer), "leave" (left alone by default) or "skip" (cannot be converted).
    `preserve`: the layer keeps its function, as asked or because it is trained, frozen or a copy of a frozen layer,
    which `reason` then says. `frozen`: because its weight is. `amplification` is the largest factor by which keeping
    the function enlarges a raw weight: 1 / (the window's smallest value over the old taps).
    """

    name: str
    action: Literal["window", "leave", "skip"]
    reason: str
    old_size: tuple[int, ...]
    size: tuple[int, ...]
    padding: str | tuple[int, ...]
    window: Window | LearnableWindow | None = None
    amplification: float = 1.0
    preserve: bool = False
    frozen: bool = False


@dataclass(frozen=True)
class ConversionPlan(Shown):
    """What `convert` does, layer by layer; prints as a table."""

    layers: tuple[LayerPlan, ...]
    preserve: bool

    @property
    def replaced(self) -> tuple[str, ...]:
        """The parameters that become others, of another shape: an optimiser made before must be told (`optimizer`)."""
        grown = [layer for layer in self.layers if layer.size != layer.old_size]
        return tuple(f"{layer.name}.weight" if layer.name else "weight" for layer in grown)

    def parts(self) -> list[TextTable | str]:
        rows = []
        amplified = any(layer.preserve for layer in self.layers) or self.preserve
        for layer in self.layers:
            kernel = by_sign(layer.old_size)
            if layer.size != layer.old_size:
                kernel += f" -> {by_sign(layer.size)}"
            does = f"{layer.action}: {layer.reason}"
            if layer.action == "window":
                does = f"{layer.window} ({layer.reason})" if layer.reason else f"{layer.window}"
            row = [layer.name or "(the model)", kernel, does]
            rows.append([*row, f"{layer.amplification:.1f}"] if amplified else row)
        header = ["layer", "kernel", "window"] + (["amplification"] if amplified else [])
        return [TextTable(header, rows)]


def plan_conversion(
    model: nn.Module,
    *,
    window: LayerWindow = "hamming",
    kernel_size: KernelSize = None,
    include: Patterns = None,
    exclude: Patterns = None,
    preserve: bool | None = None,
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
    check_unwrapped(model, changes=False)
    found = convolutions(model)
    included = matching(found, include, "include")
    excluded = matching(found, exclude, "exclude")
    chosen = {n: m for n, m in found.items() if (include is None or n in included) and n not in excluded}
    kept = {}
    if kernel_size is not None:
        able = {name: layer for name, layer in chosen.items() if unfit(layer) is None}
        trained = dict.fromkeys(able, "trained") if preserve is None and is_trained(model) else {}
        kept = trained | kept_functions(able)
    preserve = bool(preserve)
    named = include is not None
    layers = [
        plan_layer(name, layer, window, kernel_size, named, preserve, kept.get(name, ""))
        for name, layer in chosen.items()
    ]
    if isinstance(kernel_size, Mapping):
        sizes = {k for layer in layers if layer.action == "window" for k in layer.old_size}
        if sizes and not sizes & {as_int(k) for k in kernel_size}:
            raise InputError(f"kernel_size={dict(kernel_size)}; allowed: sizes of the model's layers, {sorted(sizes)}")
    if not any(layer.action == "window" or layer.reason == HAS_WINDOW for layer in layers):
        reasons = sorted({layer.reason for layer in layers}) or ["all are excluded"]
        raise InputError(
            f"model={type(model).__name__}; allowed: a model with layers to convert ({'; '.join(reasons)})"
        )
    plan = ConversionPlan(tuple(layers), preserve)
    check_unwrapped(model, changes=bool(plan.replaced) or preserve or isinstance(window, LearnableWindow))
    return plan


def plan_layer(
    name: str,
    layer: Convolution,
    window: LayerWindow,
    kernel_size: KernelSize,
    chosen: bool,
    preserve: bool,
    kept: str = "",
) -> LayerPlan:
    """The plan for one layer.

    Args:
        chosen: convert the layer even if it is a patch embedding.
        preserve: keep its function.
        kept: why its function is kept if its kernel grows, whatever `preserve` says; "" if it need not be.
    """
    old = kernel_taps(layer)
    if (reason := unfit(layer)) is not None:
        return LayerPlan(name, "skip", reason, old, old, layer.padding)
    if not chosen and is_patch_embedding(layer):
        return LayerPlan(name, "leave", "non-overlapping patches", old, old, layer.padding)
    try:
        size = grown_size(name, layer, kernel_size)
        if max(size) == 1:
            return LayerPlan(name, "leave", "one tap", old, old, layer.padding)
        padding = grown_padding(name, layer, size)
        spec = window if isinstance(window, LearnableWindow) else as_window(window, size)
        if size == old and isinstance(layer, WindowedMixin) and layer.window == spec:
            return LayerPlan(name, "leave", HAS_WINDOW, old, old, layer.padding, spec)
        kept = kept if size != old and not preserve else ""
        values = start_values(spec, size)
        amplification = _amplification(name, layer, size, values, kept) if preserve or kept else 1.0
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith("layer ") else f"layer {name!r}: {text}") from None
    reason = f"{kept}: keeps its function" if kept else ""
    frozen = bool(kept) and not layer.weight.requires_grad
    return LayerPlan(name, "window", reason, old, size, padding, spec, amplification, preserve or bool(kept), frozen)


def is_patch_embedding(layer: Convolution) -> bool:
    """Whether a convolution's kernel covers its input once, without overlap."""
    size = kernel_taps(layer)
    return max(size) > 1 and size == tuple(layer.stride)


def start_values(spec: Window | LearnableWindow, size: tuple[int, ...]) -> np.ndarray:
    """The values that a window starts with in a layer, (*size), in float64; each channel's are the same."""
    if isinstance(spec, LearnableWindow):
        with torch.no_grad():
            return spec.module(size, 1, torch.float64, "cpu")()[0].numpy()
    return window_values(spec, size)


def _amplification(name: str, layer: Convolution, size: tuple[int, ...], values: np.ndarray, kept: str) -> float:
    """The largest factor of the old taps; those around them may be zero in a `kept` layer: they need none."""
    places = tap_offset(name, layer, size)
    inside = values[tuple(slice(o, o + k) for o, k in zip(places, kernel_taps(layer), strict=True))]
    magnitudes = np.abs(inside if kept else values)
    if (magnitudes <= 1e-12 * np.abs(values).max()).any():
        what, also = (
            (
                f"{kept}: keeps its function",
                ", or exclude the layer" + (", or preserve=False" if kept == "trained" else ""),
            )
            if kept
            else ("preserve=True", "")
        )
        raise InputError(
            f"layer {name!r}: {what} with a window that is zero at some of {by_sign(size)} taps; "
            f"allowed: windows without zeros, such as 'hamming'{also}"
        )
    return float(1 / np.abs(inside).min())
