"""Fold windows into plain layers, so that inference costs nothing extra."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from windowconv.effective import effective_weight
from windowconv.eligibility import check_own_forward, check_unwrapped
from windowconv.errors import InputError, WindowWarning
from windowconv.kernel_geometry import Convolution, Size, copy_model, set_geometry
from windowconv.layers import PLAIN
from windowconv.optimizers import Optimizers, updated
from windowconv.reparametrized import how_computed, set_plain_weight, weight_sources
from windowconv.tables import Shown, TextTable, by_sign
from windowconv.windowed import WindowedMixin

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class TrimmedLayer:
    """One layer of a `TrimReport`; `dropped` is the share of its kernel's energy (sum of squares) that is lost."""

    name: str
    size: Size
    trimmed: Size
    dropped: float


@dataclass(frozen=True)
class TrimReport(Shown):
    """What `fold(model, trim=...)` crops, layer by layer; prints as a table."""

    trim: float
    layers: tuple[TrimmedLayer, ...]

    @property
    def cropped(self) -> tuple[TrimmedLayer, ...]:
        """The layers that are cropped."""
        return tuple(layer for layer in self.layers if layer.trimmed != layer.size)

    def parts(self) -> list[TextTable | str]:
        rows = [[la.name, by_sign(la.size), by_sign(la.trimmed), f"{la.dropped:.2e}"] for la in self.layers]
        return [TextTable(["layer", "kernel", "trimmed", "energy dropped"], rows)]


def fold(model: Model, *, trim: float | None = None, inplace: bool = False, optimizer: Optimizers = None) -> Model:
    """Replace windowed layers with torch's own, the window multiplied into their weights.

    For inference and export. Outputs stay the same, and a model that `convert` made gets its classes and keys back.
    Parametrisations, weight norm, spectral norm and pruning of these layers are folded in too: each layer becomes a
    plain one with the weight that it computes with now, in evaluation mode.
    Not for further training: the weights would train without a window.

    Args:
        model: a model with windowed layers.
        trim: crop outer taps as long as each layer's kernel keeps this share of its energy, such as 0.999; a
            warning lists the changes, and `trim_report` shows them in advance. None crops nothing.
        inplace: fold `model` itself instead of a copy.
        optimizer: one or several that hold the model's parameters, with `inplace`: they get the folded ones, and keep
            the state of those that are unchanged.

    Raises:
        InputError: no windowed layers, sharded ones, a weight set by a hook that is not torch's, `trim` outside (0, 1],
            or an optimiser without `inplace`.

    Warns:
        WindowWarning: `trim` cropped taps, so the outputs change. Later, at its next step, an optimiser that holds
            parameters which were replaced.

    >>> from torch import nn
    >>> from windowconv.layers import WindowedConv2d
    >>> fold(nn.Sequential(WindowedConv2d(3, 8, 7)))
    Sequential(
      (0): Conv2d(3, 8, kernel_size=(7, 7), stride=(1, 1))
    )
    """
    windowed = _windowed(model)
    report = None if trim is None else trim_report(model, trim)
    result = model if inplace else copy_model(model)
    layers = dict(result.named_modules())
    with updated(optimizer, result, inplace):
        _make_plain({name: layers[name] for name in windowed})
        for layer in () if report is None else report.cropped:
            _crop(layers[layer.name], layer.trimmed)
    if report is not None and report.cropped:
        most = max(layer.dropped for layer in report.cropped)
        warnings.warn(
            f"trim={trim} crops {len(report.cropped)} of {len(report.layers)} folded layers, "
            + ", ".join(f"{la.name} {by_sign(la.size)} -> {by_sign(la.trimmed)}" for la in report.cropped[:3])
            + (" and more" if len(report.cropped) > 3 else "")
            + f", losing up to {most:.2g} of a kernel's energy; see trim_report",
            WindowWarning,
            stacklevel=2,
        )
    return result


def _make_plain(modules: Mapping[str, Convolution]) -> None:
    """Give windowed layers their effective weights and torch's classes; layers that share both go on sharing."""
    folded: dict[object, nn.Parameter] = {}
    weights = [_folded_weight(name, module, folded) for name, module in modules.items()]  # all checks before any change
    for module, weight in zip(modules.values(), weights, strict=True):
        set_plain_weight(module, weight)
        module._modules.pop("learnable_window", None)
        for attribute in WindowedMixin.ADDED:
            if attribute in module.__dict__:
                delattr(module, attribute)
        module.__class__ = module.__dict__.pop("plain_class", PLAIN[type(module)])


def _folded_weight(name: str, module: Convolution, folded: dict[object, nn.Parameter]) -> nn.Parameter | None:
    """A layer's effective weight as a parameter, in `folded` for layers that share it; None if it is the weight."""
    sources = weight_sources(module)
    shared = "weight" in module._parameters
    if shared and module.window_values is None and module.learnable_window is None:
        return None
    key = (*map(id, sources), module.window, id(module.learnable_window)) if shared else id(module)
    if key not in folded:
        weight = effective_weight(module, name).clone()
        folded[key] = nn.Parameter(weight, requires_grad=any(p.requires_grad for p in sources))
    return folded[key]


def trim_report(model: nn.Module, trim: float) -> TrimReport:
    """What `fold(model, trim=trim)` would crop.

    A layer's taps are cropped in opposite pairs of outer slices, the one with the least energy first, as long as
    the kernel keeps the share `trim` of its energy and the layer has padding to give back.

    Args:
        model: a model with windowed layers.
        trim: the share of energy to keep, in (0, 1].

    Raises:
        InputError: no windowed layers, or `trim` outside (0, 1].
    """
    if not 0 < trim <= 1:
        raise InputError(f"trim={trim}; allowed: above 0, at most 1 (the share of energy to keep)")
    rows = []
    for name, module in _windowed(model).items():
        weight = effective_weight(module, name)
        axes = tuple(range(2, weight.ndim))
        energy = weight.abs().double().square().sum((0, 1)).cpu()
        size, dropped = _trimmed(energy, _room(module), 1 - trim)
        assert len(axes) == len(size)
        rows.append(TrimmedLayer(name, tuple(module.kernel_size), size, dropped))
    return TrimReport(trim, tuple(rows))


def _windowed(model: nn.Module) -> dict[str, WindowedMixin]:
    check_unwrapped(model, changes=False)
    found = {name: m for name, m in model.named_modules() if isinstance(m, WindowedMixin)}
    if not found:
        raise InputError(f"model={type(model).__name__}; allowed: a model with windowed layers")
    for name, module in found.items():
        if any(type(p).__name__ == "DTensor" for p in module.parameters()):
            raise InputError(
                f"layer {name!r} is sharded by fully_shard; allowed: the same model without fully_shard, into which "
                "the full state dict is loaded (torch.distributed.checkpoint.state_dict.get_model_state_dict)"
            )
        check_own_forward(name, module)
        kind = parametrize.type_before_parametrizations(module)
        if kind not in PLAIN:
            raise InputError(
                f"layer {name!r}: class={kind.__name__}; allowed: windowconv's own layer classes, no subclasses"
            )
        if how_computed(module) == "a hook":
            raise InputError(
                f"layer {name!r}: its weight is set by a hook, which would not fit the folded layer; allowed: "
                "parameters, parametrisations and the hooks of torch.nn.utils (remove the other hook first)"
            )
    return found


def _room(module: Convolution) -> list[int]:
    """How many taps can be cropped on each side of each axis: no more than padding makes up for."""
    if module.padding == "same":
        return [k // 2 for k in module.kernel_size]
    padding = [0] * len(module.kernel_size) if module.padding == "valid" else module.padding
    return [p // d for p, d in zip(padding, module.dilation, strict=True)]


def _trimmed(energy: Tensor, room: list[int], budget: float) -> tuple[Size, float]:
    """The kernel's size after cropping, and the share of energy lost, of tap energies (*kernel)."""
    total, room = float(energy.sum()), list(room)
    if total == 0:
        return tuple(energy.shape), 0.0
    while True:
        best: Tensor | None = None
        axis = -1
        for i, n in enumerate(energy.shape):
            if room[i] > 0 and n > 2:
                inner = energy.narrow(i, 1, n - 2)
                if best is None or inner.sum() > best.sum():
                    best, axis = inner, i
        if best is None or 1 - float(best.sum()) / total > budget:
            return tuple(energy.shape), max(0.0, 1 - float(energy.sum()) / total)
        energy = best
        room[axis] -= 1


def _crop(module: Convolution, size: Size) -> None:
    weight = module.weight
    padding = module.padding
    if not isinstance(padding, str):
        cut = [(k - n) // 2 * d for k, n, d in zip(module.kernel_size, size, module.dilation, strict=True)]
        padding = tuple(p - c for p, c in zip(padding, cut, strict=True))
    inside = tuple(slice((k - n) // 2, (k - n) // 2 + n) for k, n in zip(module.kernel_size, size, strict=True))
    set_geometry(module, size, padding)
    cropped = weight.detach()[(..., *inside)].clone(memory_format=torch.contiguous_format)
    module.weight = nn.Parameter(cropped, requires_grad=weight.requires_grad)
