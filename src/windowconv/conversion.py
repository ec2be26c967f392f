"""Replace a model's convolutions with windowed ones."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar, cast

import torch
from torch import nn

from windowconv.eligibility import Patterns, torch_class
from windowconv.errors import InputError, WindowWarning
from windowconv.kernel_geometry import Convolution, KernelSize, copy_model, set_geometry
from windowconv.kernel_weights import new_weights
from windowconv.layers import WINDOWED
from windowconv.optimizers import Optimizers, updated
from windowconv.plan import ConversionPlan, LayerPlan, plan_conversion
from windowconv.windowed import LayerWindow, WindowedMixin
from windowconv.windows import Window, advice

Model = TypeVar("Model", bound=nn.Module)
AMPLIFIED = 10.0  # above this factor `preserve` warns


def convert(
    model: Model,
    *,
    window: LayerWindow = "hamming",
    kernel_size: KernelSize = None,
    include: Patterns = None,
    exclude: Patterns = None,
    preserve: bool | None = None,
    inplace: bool = False,
    optimizer: Optimizers = None,
) -> Model:
    """Replace a model's convolutions with windowed ones, and grow their kernels.

    Layers are converted in place within the model, so hooks, `requires_grad`, training mode and sharing survive.
    Kernels of one tap, patch embeddings (stride = kernel) and layers that have this window already are left alone.
    Subclasses of torch's layers that override more than the constructor, lazy layers, quantised layers, and layers
    whose weight is computed (parametrisations, weight norm, pruning) are skipped, with one warning that lists them.
    `plan_conversion` shows the effect in advance.

    A larger kernel keeps the output's shape: p' = p + d (k' - k) / 2. Its weight keeps its function if it is trained,
    or with `preserve`; else it is reinitialised: normally distributed with the old weight's root mean square times
    sqrt(old taps / new taps). For an untrained model that is its own initialisation at the new size. Equal weights (an
    online and a target network) stay equal. Frozen weights (`requires_grad=False`) are not reinitialised, nor are
    weights equal to them: those layers compute the same function as before, as with `preserve`, and a learnable window
    in a frozen one is frozen.

    Args:
        model: any module tree.
        window: as in `as_window`, or a `LearnableWindow`; None gives windowed layers without a window.
        kernel_size: an int (grows to it, never shrinks; axes of one tap stay), a mapping from old to new such
            as `{3: 7, 7: 9}`, or a callable (name, layer) -> int, one int per axis, or None.
        include: name patterns (`"layer1.*"`, or an ancestor's name), or a callable (name, layer) -> bool; only
            these are converted, patch embeddings too. None is all.
        exclude: the same, for layers to leave as they are.
        preserve: True: the converted model computes the same function: the old taps in the middle, divided by the
            window. For pretrained networks. Weight decay then acts on the amplified raw weight (see the docs
            on fine-tuning). False: larger kernels are drawn anew. None: they keep their function in a model that is
            visibly trained, which the biases of its normalisation layers show, and are drawn anew in others; say
            True for a trained model without such layers.
        inplace: convert `model` itself instead of a copy.
        optimizer: one or several that hold the model's parameters, with `inplace`. The new parameters of grown kernels
            and of learnable windows take their places in it; the state of unchanged parameters is kept.

    Returns:
        The converted model; `fold` gives torch's layers back.

    Raises:
        InputError: no convolutions, a pattern that matches nothing, a size of the wrong parity, a model that
            torch cannot copy (use `inplace`); with `preserve`, a zero in the window or a dtype that cannot hold
            the divided weights. The message names the layer. A model that is scripted, exported or sharded, or whose
            parameters would change under DistributedDataParallel: convert first.

    Warns:
        WindowWarning: skipped layers; a window that does not suit a size; amplification above 10. Later, at its next
            step, an optimiser that holds parameters which were replaced.

    >>> from torch import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
    >>> convert(net, kernel_size=7)[0]
    WindowedConv2d(3, 8, kernel_size=(7, 7), stride=(1, 1), padding=(3, 3), window=hamming)
    """
    plan = plan_conversion(
        model, window=window, kernel_size=kernel_size, include=include, exclude=exclude, preserve=preserve
    )
    check_ties(model, plan)
    warn_skipped(plan.layers)
    _warn(plan)
    result = model if inplace else copy_model(model)
    layers = dict(result.named_modules())
    todo = [(layers[layer.name], layer) for layer in plan.layers if layer.action == "window"]
    with updated(optimizer, result, inplace):
        weights = new_weights(todo)  # all checks before any change
        for (module, layer), weight in zip(todo, weights, strict=True):
            set_geometry(module, layer.size, layer.padding)
            if weight is not None:
                _replace(module, weight)
            become_windowed(module, layer)
    return result


def become_windowed(module: nn.Module, layer: LayerPlan) -> None:
    """Make a convolution a windowed one where it stands, with the planned window."""
    if not isinstance(module, WindowedMixin):
        module.__dict__["plain_class"] = type(module)
        module.__class__ = WINDOWED[torch_class(module)]
    windowed = cast(WindowedMixin, module)
    windowed.set_window(layer.window, name=layer.name, quiet=True)
    if layer.frozen and windowed.learnable_window is not None:
        windowed.learnable_window.requires_grad_(False)


def _replace(module: Convolution, weight: nn.Parameter) -> None:
    if weight.shape == module.weight.shape:  # the same parameter for optimisers that hold it
        with torch.no_grad():
            module.weight.copy_(weight)
        module.weight.grad = None  # that of another weight
    else:
        module.weight = weight


def check_ties(model: nn.Module, plan: ConversionPlan) -> None:
    """Modules that share a weight must be converted alike where the weight changes."""
    owners = defaultdict(list)
    for name, module in model.named_modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                owners[id(parameter)].append(name)
    modules = dict(model.named_modules())
    planned = {layer.name: (layer.size, layer.window) for layer in plan.layers if layer.action == "window"}
    for layer in plan.layers:
        if layer.action != "window" or not (layer.preserve or layer.size != layer.old_size):
            continue
        for other in owners[id(modules[layer.name].weight)]:
            if planned.get(other) != planned[layer.name]:
                raise InputError(
                    f"layers {layer.name!r} and {other!r} share a weight but would get different kernels; "
                    "allowed: to convert both alike, or to exclude both"
                )


def _warn(plan: ConversionPlan) -> None:
    """One warning of each kind, whatever the number of layers."""
    unsuited = defaultdict(list)
    for layer in plan.layers:
        if isinstance(layer.window, Window) and (text := advice(layer.window, layer.size)):
            unsuited[text].append(layer.name)
    if unsuited:
        _warn_caller("; ".join(f"{_listed(names)}: {text}" for text, names in unsuited.items()))
    amplified = [layer for layer in plan.layers if layer.amplification > AMPLIFIED and not layer.frozen]
    if amplified:
        worst = max(amplified, key=lambda layer: layer.amplification)
        _warn_caller(
            f"preserve=True amplifies raw weights up to {worst.amplification:.3g} times (layer {worst.name!r}; "
            f"above {AMPLIFIED:.0f} in {_listed([layer.name for layer in amplified])}), so weight decay acts more "
            "strongly: use larger kernels, or fine-tune without weight decay"
        )


def warn_skipped(layers: Sequence[LayerPlan]) -> None:
    """One warning, for the caller's caller, that lists the skipped layers."""
    skipped = [f"{layer.name} ({layer.reason})" for layer in layers if layer.action == "skip"]
    if skipped:
        _warn_caller(f"{len(skipped)} convolutions skipped: {', '.join(skipped)}")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _warn_caller(text: str) -> None:
    warnings.warn(text, WindowWarning, stacklevel=4)
