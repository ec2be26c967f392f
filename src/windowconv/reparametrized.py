"""Weights that torch computes from other tensors: parametrisations, weight norm, spectral norm, pruning.

Two mechanisms: a property that calls `layer.parametrizations.weight` (torch.nn.utils.parametrize), and hooks that set
`layer.weight` before each forward pass, so that the attribute is stale between a change and the next call (the older
weight_norm and spectral_norm, and pruning).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm, remove_spectral_norm
from torch.nn.utils.weight_norm import WeightNorm, remove_weight_norm

HOOKS = (WeightNorm, SpectralNorm, prune.BasePruningMethod)


def parametrised(layer: nn.Module) -> list[str]:
    """The layer's tensors that have a parametrisation."""
    held: Any = layer._modules.get("parametrizations")
    return list(held) if parametrize.is_parametrized(layer) else []


def how_computed(layer: nn.Module, name: str = "weight") -> str:
    """What computes a layer's weight from other tensors, in torch's words; "" for a parameter or a buffer.

    Of another tensor, `name`, only parametrisations are said.
    """
    if name in parametrised(layer):
        parts: Any = layer.get_submodule(f"parametrizations.{name}")
        return " and ".join(type(part).__name__.strip("_") for part in parts)
    if name != "weight" or "weight" in layer._parameters or "weight" in layer._buffers:
        return ""
    names = [type(hook).__name__ for hook in _hooks(layer)]
    if names:
        return " and ".join(names)
    if "weight" in layer.__dict__:
        return "a hook" if layer._forward_pre_hooks else ""
    return "a property"


def shallow_twin(layer: Any) -> Any:
    """A module that shares the layer's tensors and submodules; what is assigned to it does not change the layer.

    `copy.copy` would not do: parametrised layers refuse it.
    """
    twin = object.__new__(type(layer))
    twin.__dict__.update(layer.__dict__)
    for held in ("_parameters", "_buffers", "_modules"):
        twin.__dict__[held] = dict(layer.__dict__[held])
    return twin


def with_present_weight(layer: nn.Module) -> Any:
    """A twin of the layer, whose `weight` torch's hooks have just computed; in evaluation mode, without gradients."""
    twin = shallow_twin(layer)
    for hook in _hooks(layer):
        hook(twin, ())
    return twin


def weight_sources(layer: nn.Module) -> list[nn.Parameter]:
    """The parameters that a layer's weight is computed from; a parameter is its own."""
    if "weight" in parametrised(layer):
        return list(layer.get_submodule("parametrizations.weight").parameters())
    return [p for name, p in layer._parameters.items() if p is not None and name.startswith("weight")]


def set_plain_weight(layer: Any, weight: nn.Parameter | None) -> None:
    """Give a layer this parameter as its weight, and remove what computed the former one; None leaves the weight.

    Parametrisations of other tensors (the bias) give way too, to the values that they have now: torch keeps them all in
    one class. That class is not changed but left: torch's `remove_parametrizations` changes it, and copies share it.
    """
    for hook in reversed(_hooks(layer)):
        _remove(layer, hook)
    if names := parametrised(layer):
        others = [name for name in names if name != "weight"]
        values = {name: getattr(layer, name).detach().clone() for name in others}
        trained = {name: any(p.requires_grad for p in layer.parametrizations[name].parameters()) for name in others}
        layer.__class__ = parametrize.type_before_parametrizations(layer)
        del layer._modules["parametrizations"]
        for name in others:
            setattr(layer, name, nn.Parameter(values[name], requires_grad=trained[name]))
    if weight is not None:
        layer.weight = weight
    if "bias" in layer._parameters:  # torch's order
        layer._parameters["bias"] = layer._parameters.pop("bias")


def _hooks(layer: nn.Module) -> list[Any]:
    """Torch's hooks that compute the weight, or what it is computed from, in the order in which they run."""
    return [h for h in layer._forward_pre_hooks.values() if isinstance(h, HOOKS) and _name(h).startswith("weight")]


def _name(hook: Any) -> str:
    """The tensor that a hook computes."""
    return hook._tensor_name if isinstance(hook, prune.BasePruningMethod) else hook.name


def _remove(layer: nn.Module, hook: Any) -> None:
    name = _name(hook)
    if isinstance(hook, prune.BasePruningMethod):
        own: Tensor = layer.get_parameter(name + "_orig")  # which torch would overwrite, for all who share it
        layer.register_parameter(name + "_orig", nn.Parameter(own.detach().clone(), own.requires_grad))
        prune.remove(layer, name)
    elif isinstance(hook, SpectralNorm):
        remove_spectral_norm(layer, name)
    else:
        with torch.no_grad():
            remove_weight_norm(layer, name)
