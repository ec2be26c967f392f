"""What is recorded rather than computed; a layer in a graph of torch.fx is one node, as torch's own layers are."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.fx import Proxy, Tracer


def is_recorded() -> bool:
    """Whether torch.export, an ONNX exporter or torch.jit.trace records this call, to run without this package."""
    return torch.compiler.is_exporting() or (not torch.compiler.is_compiling() and bool(torch._C._get_tracing_state()))


def whole_call(layer: nn.Module, input: Any, *arguments: Any) -> Any:
    """The call of a layer as one node of a graph, if its input is a proxy of `torch.fx`; otherwise None.

    torch.fx keeps torch's own layers whole (`call_module`) and looks into all others, which would lose the layer:
    `fold` and `leakage` would find nothing in the graph. None too for a layer that is itself the root of the graph, as
    with torch's own, and for one with hooks, which have been recorded by now and would run twice.
    """
    if not isinstance(input, Proxy) or not isinstance(tracer := input.tracer, Tracer):
        return None
    if tracer.root is layer or layer._forward_hooks or layer._forward_pre_hooks:
        return None
    kept = tuple(argument for argument in arguments if argument is not None)
    return tracer.create_proxy("call_module", tracer.path_of_module(layer), (input, *kept), {})


def recorded_for(module: nn.Module, tensor: Any) -> Any:
    """A tensor of a module, to ask for its dtype and device; for a proxy of torch.fx, the module's first parameter."""
    return next(module.parameters()) if isinstance(tensor, Proxy) else tensor
