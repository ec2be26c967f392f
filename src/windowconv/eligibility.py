"""Which of a model's convolutions can be converted, and why others cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from windowconv.errors import InputError, unknown
from windowconv.layers import PLAIN, WINDOWED
from windowconv.reparametrized import how_computed, parametrised

# wrappers by the names of their classes: they have read the parameters, or taken them over whole
FLATTENS = ("FullyShardedDataParallel", "DeepSpeedEngine")
REBUILDS = (*FLATTENS, "DistributedDataParallel", "FSDPModule")
Patterns = str | Sequence[str] | Callable[[str, nn.Module], bool] | None


def convolutions(model: nn.Module) -> dict[str, nn.Module]:
    """A model's convolutions by name, quantised ones included, which are then skipped.

    Raises:
        InputError: a model without any.
    """
    bases = tuple(WINDOWED)
    found = {n: m for n, m in model.named_modules() if isinstance(m, bases) or _is_quantised(m)}
    if not found:
        kind = type(model).__name__
        if isinstance(model, torch.jit.ScriptModule):
            raise InputError(f"model={kind}, which is scripted or traced; allowed: the model itself, converted before")
        if isinstance(model, torch.fx.GraphModule):
            raise InputError(f"model={kind} without convolution modules, as exports are; allowed: the model itself")
        raise InputError(f"model={kind}; allowed: a model with convolutions")
    return found


def check_unwrapped(model: nn.Module, changes: bool) -> None:
    """An `InputError` if a wrapper within the model, or around it, relies on parameters that a conversion `changes`."""
    for name, module in model.named_modules():
        classes = {c.__name__ for c in type(module).__mro__}  # by name: their modules take seconds to import
        sharded = any(type(p).__name__ == "DTensor" for p in module.parameters(recurse=False))
        wrapper = next((c for c in REBUILDS if c in classes), "sharded parameters" if sharded else "")
        if wrapper and (changes or wrapper in FLATTENS):
            where = f"model={type(model).__name__}" + (f" with {wrapper} at {name!r}" if name else f" ({wrapper})")
            raise InputError(f"{where}, which holds the present parameters; allowed: convert the model, then wrap it")


def unfit(layer: nn.Module) -> str | None:
    """Why a convolution cannot be converted; None if it can."""
    if isinstance(layer, LazyModuleMixin):
        return "lazy: run one batch first"
    if _is_quantised(layer):
        return "quantised: convert before"
    if "weight" not in layer._parameters:
        how = how_computed(layer) or ("a buffer" if "weight" in layer._buffers else "an attribute")
        return f"computed weight ({how}): convert before"
    if names := parametrised(layer):  # torch holds them in a class of the layer's own, which conversion would replace
        return f"computed {names[0]} ({how_computed(layer, names[0])}): convert before"
    if replaced_forward(layer):
        return "replaced forward method"
    if "FSDPModule" in {c.__name__ for c in type(layer).__mro__}:
        return "sharded by fully_shard: convert before"
    if type(layer) not in PLAIN and (changed := _overridden(layer)):
        return f"{type(layer).__name__} overrides {changed[0]}"
    return None


def replaced_forward(layer: nn.Module) -> bool:
    """Whether the layer has a forward method of its own, as hooks of accelerate give it, which knows its present class.

    The class's method as an attribute, which such hooks leave behind, is removed.
    """
    own = layer.__dict__.get("forward")
    if own is not None and getattr(own, "__func__", None) is type(layer).forward and own.__self__ is layer:
        del layer.__dict__["forward"]
    return "forward" in layer.__dict__


def check_own_forward(name: str, layer: nn.Module) -> None:
    """An `InputError` for a layer that `fold` cannot change, because it has a forward method of its own."""
    if replaced_forward(layer):
        raise InputError(
            f"layer {name!r}: forward={layer.__dict__['forward']!r:.60}...; allowed: the method of its class, which "
            "accelerate.hooks.remove_hook_from_submodules(model) brings back"
        )


def torch_class(layer: nn.Module) -> type[nn.Module]:
    """The torch class that a convolution is, or inherits from."""
    return next(c for c in type(layer).__mro__ if c in WINDOWED)


def _is_quantised(layer: nn.Module) -> bool:
    """Whether a convolution's weight is held in integers, a byte a number, or in a tensor that stands for others."""
    if any(c.__module__.startswith("torch.ao.nn.quantized") for c in type(layer).__mro__):
        return hasattr(layer, "kernel_size") and "Conv" in type(layer).__name__
    weight = layer._parameters.get("weight") if isinstance(layer, tuple(WINDOWED)) else None
    if weight is None:
        return False
    if hasattr(kind := type(weight.detach()), "__tensor_flatten__") and kind.__name__ not in ("DTensor", "FakeTensor"):
        return True
    return weight.dtype.itemsize == 1 or not (weight.is_floating_point() or weight.is_complex())


def _overridden(layer: nn.Module) -> list[str]:
    """The attributes of torch's class that a subclass overrides, except the constructor; `forward` first."""
    base = next(c for c in type(layer).__mro__ if c in WINDOWED or c in PLAIN)
    added = type(layer).__mro__[: type(layer).__mro__.index(base)]
    ignored = {"__init__", "__module__", "__doc__", "__annotations__", "__dict__", "__weakref__", "__constants__"}
    ignored |= {"__firstlineno__", "__static_attributes__", "__qualname__", "__parameters__", "__orig_bases__"}
    names = {name for c in added for name in vars(c) if hasattr(base, name) and name not in ignored}
    return sorted(names, key=lambda name: (name != "forward", name))


def matching(found: Mapping[str, nn.Module], patterns: Patterns, argument: str) -> set[str]:
    """The names of the layers that a pattern, or one of their ancestors, matches."""
    if patterns is None:
        return set()
    if callable(patterns):
        matched = {name for name, layer in found.items() if patterns(name, layer)}
        if not matched:
            raise InputError(
                f"{argument} selects none of {len(found)} convolutions; allowed: a function that selects one or more"
            )
        return matched
    matched = set()
    names = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(names, Sequence) or not all(isinstance(pattern, str) for pattern in names):
        raise InputError(
            f"{argument}={patterns!r}; allowed: a pattern, a list of patterns, or a callable (name, layer)"
        )
    for pattern in names:
        hits = {n for n in found if n == pattern or fnmatchcase(n, pattern) or fnmatchcase(n, pattern + ".*")}
        if not hits:
            raise unknown(argument, pattern, found)
        matched |= hits
    return matched
