"""Modules that convolve without being one of torch's convolutions, found in the code of their classes."""

from __future__ import annotations

import inspect
import re
from types import CodeType, FunctionType

from torch import nn

CALL = re.compile(r"((fft|windowed|deform)_)?conv(_transpose)?[123]d|convolution")


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
