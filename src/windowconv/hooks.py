"""Looking at what layers are called with: one pass through a model, which is left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

Look = Callable[[str, nn.Module, Any], None]


def observe(model: nn.Module, layers: Mapping[str, nn.Module], inputs: Sequence[Any], look: Look) -> None:
    """Run the model once in evaluation mode without gradients and call look(name, layer, its first argument).

    Args:
        layers: those to look at, by name; each call of one is looked at, before it.
        inputs: what the model is called with.
    """
    handles = []
    for name, module in layers.items():

        def hook(module: nn.Module, args: Any, kwargs: Any, name: str = name) -> None:
            look(name, module, args[0] if args else kwargs["input"])

        handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))
    try:
        with evaluating(model):
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; each module's mode is as before at the end."""
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            for module in modes:
                module.training = False
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
