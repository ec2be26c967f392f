"""One pass through a model with hooks on its layers; the model is left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

Visitor = Callable[[str, nn.Module, Any], None]


def visit_calls(model: nn.Module, layers: Mapping[str, nn.Module], inputs: Sequence[Any], visit: Visitor) -> None:
    """Run the model once in evaluation mode without gradients, and visit each call of its layers.

    Args:
        layers: the layers to visit, by name.
        inputs: the model's positional arguments.
        visit: called before each call of a layer, with the layer's name, the layer and its first argument.
    """
    handles = []
    for name, module in layers.items():

        def hook(module: nn.Module, args: Any, kwargs: Any, name: str = name) -> None:
            visit(name, module, args[0] if args else kwargs["input"])

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
