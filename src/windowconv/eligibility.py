"""Which of a model's convolutions can be converted, and why others cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from windowconv.errors import InputError, unknown
from windowconv.layers import PLAIN, WINDOWED

Patterns = str | Sequence[str] | Callable[[str, nn.Module], bool] | None


def unfit(layer: nn.Module) -> str | None:
    """Why a convolution cannot be converted; None if it can."""
    if isinstance(layer, LazyModuleMixin):
        return "lazy: run one batch first"
    if "weight" not in layer._parameters:
        return "computed weight (parametrisation, weight norm or pruning)"
    if "forward" in layer.__dict__:
        return "replaced forward method"
    if type(layer) not in PLAIN and (changed := _overridden(layer)):
        return f"{type(layer).__name__} overrides {changed[0]}"
    return None


def torch_class(layer: nn.Module) -> type[nn.Module]:
    """The torch class that a convolution is, or inherits from."""
    return next(c for c in type(layer).__mro__ if c in WINDOWED)


def _overridden(layer: nn.Module) -> list[str]:
    """The attributes of torch's class that a subclass overrides, except the constructor; `forward` first."""
    base = torch_class(layer)
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
