"""The layers of a model that convolve: those whose weight can be asked for, and those with kernels of their own."""

from __future__ import annotations

import inspect
import re
from types import CodeType, FunctionType
from typing import Any

from torch import nn

from windowconv.effective import advice, has_weight, is_registered
from windowconv.errors import InputError

CALL = re.compile(r"((fft|windowed|deform)_)?conv(_transpose)?[123]d|convolution")


def convolving_layers(model: nn.Module) -> tuple[dict[str, Any], dict[str, str]]:
    """The layers of a model that convolve, each once by name, and those left out, with the reason.

    They are the convolutions, quantised ones too, and the layers of registered classes; what is inside these is theirs.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model={type(model).__name__}; allowed: a torch.nn.Module")
    found: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    within: tuple[str, ...] = ()
    for name, module in model.named_modules():
        if name.startswith(within):
            continue
        if has_weight(module):
            found[name] = module
            within += (name and f"{name}.",) if is_registered(module) else ()
        elif function := convolution_called(module):
            kind = type(module).__name__
            left_out[name] = f"{kind} calls {function} with a kernel of its own; {advice(module)}"
    return found, left_out


def convolution_called(module: nn.Module) -> str | None:
    """The function of torch's (or ours) with which a class's own `forward` convolves; None if it calls none.

    Read from the names in the code of `forward` and of the methods that it calls; nothing is run.

    >>> class Sinc(nn.Module):
    ...     def forward(self, x):
    ...         return nn.functional.conv1d(x, self.filters())
    >>> convolution_called(Sinc())
    'conv1d'
    """
    if type(module).__module__.split(".")[0] == "torch":
        return None
    todo, seen = ["forward"], set()
    while todo:
        method = todo.pop()
        seen.add(method)
        for name in _names(_function(type(module), method)):
            if name in module._modules:
                continue
            if CALL.fullmatch(name):
                return name
            if name not in seen and _function(type(module), name) is not None:
                todo.append(name)
    return None


def _function(kind: type, name: str) -> FunctionType | None:
    """The function that a class has under this name: a method, static or not, or what reads a property."""
    held = next((vars(c)[name] for c in kind.__mro__ if c is not nn.Module and name in vars(c)), None)
    function = getattr(held, "fget", None) or getattr(held, "__func__", held)
    function = inspect.unwrap(function) if callable(function) else None
    return function if isinstance(function, FunctionType) else None


def _names(function: FunctionType | None) -> list[str]:
    return [] if function is None else _in_code(function.__code__)


def _in_code(code: CodeType) -> list[str]:
    inner = [name for held in code.co_consts if isinstance(held, CodeType) for name in _in_code(held)]
    return [*code.co_names, *inner]
