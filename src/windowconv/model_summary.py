"""Summary of a model's convolutions: windows, sizes, parameters and multiply-adds, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from windowconv.errors import InputError
from windowconv.hooks import evaluating
from windowconv.kernel_geometry import Convolution
from windowconv.layers import WINDOWED
from windowconv.tables import by_sign, format_table
from windowconv.windowed import WindowedMixin


@dataclass(frozen=True)
class LayerSummary:
    """One convolution: `window` is None for a plain layer; `macs` counts multiply-adds in one forward pass."""

    name: str
    kind: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    window: str | None
    parameters: int
    macs: int


@dataclass(frozen=True)
class ModelSummary:
    """All convolutions and the whole model's totals; prints as a table."""

    layers: tuple[LayerSummary, ...]
    parameters: int
    macs: int

    def __str__(self) -> str:
        header = ["layer", "class", "kernel", "stride", "padding", "window", "parameters", "multiply-adds"]
        rows = [
            [
                layer.name or "(the model)",
                layer.kind,
                by_sign(layer.kernel),
                by_sign(layer.stride),
                by_sign(layer.padding),
                layer.window or "-",
                layer.parameters,
                layer.macs,
            ]
            for layer in self.layers
        ]
        windowed = sum(la.window is not None for la in self.layers)
        total = f"{windowed} of {len(self.layers)} convolutions are windowed. Whole model: "
        total += f"{self.parameters:,} parameters, {self.macs:,} multiply-adds."
        return f"{format_table(header, rows)}\n{total}"


def summary(model: nn.Module, example_input: Any) -> ModelSummary:
    """Count a model's parameters and the multiply-adds of one forward pass.

    The model runs once on `example_input`, in evaluation mode without gradients. Multiply-adds are half the
    floating-point operations of `torch.utils.flop_counter`, which counts convolutions, matrix products and
    attention, but neither the window (one product per weight) nor element-wise layers.

    Args:
        model: any module.
        example_input: what the model is called with; a tuple is unpacked.

    Raises:
        InputError: the model has no convolutions.

    >>> import torch
    >>> from windowconv.layers import WindowedConv2d
    >>> print(summary(WindowedConv2d(3, 8, 7, padding=3), torch.rand(1, 3, 16, 16)))
    layer        class           kernel  stride  padding  window   parameters  multiply-adds
    (the model)  WindowedConv2d  7x7     1x1     3x3      hamming       1,184        301,056
    1 of 1 convolutions are windowed. Whole model: 1,184 parameters, 301,056 multiply-adds.
    """
    found = {n: m for n, m in model.named_modules() if isinstance(m, (*WINDOWED, WindowedMixin))}
    if not found:
        raise InputError(f"model={type(model).__name__}; allowed: a model with convolutions")
    arguments = example_input if isinstance(example_input, tuple) else (example_input,)
    with FlopCounterMode(display=False) as counter, _counting(found, counter) as flops, evaluating(model):
        model(*arguments)
    layers = [_layer(name, module, flops[name] // 2) for name, module in found.items()]
    parameters = sum(p.numel() for p in model.parameters())
    return ModelSummary(tuple(layers), parameters, counter.get_total_flops() // 2)


@contextmanager
def _counting(layers: Mapping[str, nn.Module], counter: FlopCounterMode) -> Iterator[dict[str, int]]:
    """A context that counts each layer's floating-point operations, wherever in the model it is called.

    The counter's own counts by module are by name, and a layer at two places has two.
    """
    flops = dict.fromkeys(layers, 0)

    def add(name: str, sign: int, *_: Any) -> None:
        flops[name] += sign * counter.get_total_flops()

    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.enter_context(layer.register_forward_pre_hook(partial(add, name, -1)))
            hooks.enter_context(layer.register_forward_hook(partial(add, name, 1)))
        yield flops


def _layer(name: str, module: Convolution, macs: int) -> LayerSummary:
    return LayerSummary(
        name,
        type(module).__name__,
        tuple(module.kernel_size),
        tuple(module.stride),
        module.padding if isinstance(module.padding, str) else tuple(module.padding),
        str(module.window) if isinstance(module, WindowedMixin) else None,
        sum(p.numel() for p in module.parameters()),
        macs,
    )
