"""The laboratory: experiments on the windowed convolutions of the library; see docs/laboratory.md."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from windowconv.lab import moved

if TYPE_CHECKING:
    from windowconv.lab.pretrained import Pretrained, list_pretrained, load_pretrained

moved.install()

__all__ = ["Pretrained", "list_pretrained", "load_pretrained"]


def __getattr__(name: str) -> Any:
    """Public names load when they are first used: importing the laboratory costs nothing."""
    if name in __all__:
        return getattr(import_module("windowconv.lab.pretrained"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
