"""Summary of a model's convolutions: windows, sizes, parameters and multiply-adds, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from windowconv.convolving import convolving_layers
from windowconv.effective import by_axis, effective_weight, is_registered, weight_origin
from windowconv.errors import InputError
from windowconv.hooks import evaluating
from windowconv.integers import as_ints
from windowconv.kernel_geometry import Convolution
from windowconv.tables import Shown, TextTable, by_sign
from windowconv.windowed import WindowedMixin


@dataclass(frozen=True)
class LayerSummary:
    """One convolution: `window` is None for a plain layer; `macs` counts multiply-adds in one forward pass.

    `computed` says what computes the layer's weight (a parametrisation, pruning, the class's `forward`, a function that
    was registered); "" where it is a parameter, or a parameter times the window.
    """

    name: str
    kind: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    window: str | None
    parameters: int
    macs: int
    computed: str = ""


@dataclass(frozen=True)
class ModelSummary(Shown):
    """All convolutions and the whole model's totals; prints as a table.

    `left_out` has the layers that convolve with kernels of their own, which are no rows, with the reason.
    """

    layers: tuple[LayerSummary, ...]
    parameters: int
    macs: int
    left_out: Mapping[str, str] = field(default_factory=dict)

    def parts(self) -> list[TextTable | str]:
        header = ["layer", "class", "kernel", "stride", "padding", "window", "parameters", "multiply-adds"]
        computed = any(layer.computed for layer in self.layers)
        header += ["weight"] if computed else []
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
                *([layer.computed or "-"] if computed else []),
            ]
            for layer in self.layers
        ]
        windowed = sum(la.window is not None for la in self.layers)
        total = f"{windowed} of {len(self.layers)} convolutions are windowed. Whole model: "
        total += f"{self.parameters:,} parameters, {self.macs:,} multiply-adds."
        others = [f"Left out: {name or 'the model'}: {why}." for name, why in self.left_out.items()]
        return [TextTable(header, rows), *others, total]


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
    found, left_out = convolving_layers(model)
    if not found:
        others = "; ".join(f"{name or 'the model'}: {why}" for name, why in left_out.items())
        raise InputError(f"model={type(model).__name__}{others and f' ({others})'}; allowed: a model with convolutions")
    arguments = example_input if isinstance(example_input, tuple) else (example_input,)
    with FlopCounterMode(display=False) as counter, _counting(found, counter) as flops, evaluating(model):
        model(*arguments)
    layers = [_layer(name, module, flops[name] // 2) for name, module in found.items()]
    parameters = sum(p.numel() for p in model.parameters())
    return ModelSummary(tuple(layers), parameters, counter.get_total_flops() // 2, left_out)


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
    kernel = tuple(effective_weight(module, name).shape[2:]) if is_registered(module) else tuple(module.kernel_size)
    padding = getattr(module, "padding", 0)
    return LayerSummary(
        name,
        type(module).__name__,
        kernel,
        by_axis(module, "stride", len(kernel)),
        padding if isinstance(padding, str) else as_ints(padding) or (0,) * len(kernel),
        str(module.window) if isinstance(module, WindowedMixin) else None,
        sum(p.numel() for p in module.parameters()),
        macs,
        weight_origin(module),
    )
