"""Kernels transformed once, for inference: the largest gains first, within a given amount of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.dispatch import problem, route
from windowconv.errors import InputError
from windowconv.fftconv.prepared import Preparation, PreparedKernel, preparation
from windowconv.hooks import observe
from windowconv.tables import format_table
from windowconv.windowed import WindowedMixin


@dataclass(frozen=True)
class PreparedLayer:
    """One layer of a `PreparationReport`; `reason` says why it was not prepared."""

    name: str
    bytes: int
    prepared: bool
    reason: str


@dataclass(frozen=True)
class PreparationReport:
    """What `prepare_inference` did, layer by layer; prints as a table."""

    max_bytes: int
    layers: tuple[PreparedLayer, ...]

    @property
    def bytes(self) -> int:
        """The memory that the prepared kernels take."""
        return sum(layer.bytes for layer in self.layers if layer.prepared)

    def __str__(self) -> str:
        rows = []
        for layer in self.layers:
            size = f"{layer.bytes / 2**20:.1f}" if layer.bytes else "-"
            rows.append([layer.name or "(the model)", size, "yes" if layer.prepared else f"no: {layer.reason}"])
        total = f"{self.bytes / 2**20:.1f} MiB of {self.max_bytes / 2**20:.1f} MiB used"
        return format_table(["layer", "MiB", "prepared"], rows) + f"\n{total}"


def prepare_inference(model: nn.Module, *inputs: Any, max_bytes: int = 1 << 30) -> PreparationReport:
    """Transform and pack kernels once, so that inference need not do it at every call.

    Serves layers that use the fast convolution, for images of the sizes that they see with `inputs`, any number of
    them, without gradients; other calls go as ever. `release_inference`, `model.train()`, moving or converting the
    model and loading weights undo it; a weight that is changed in place is noticed, and its layer goes as ever. What
    is written through `weight.data` is not noticed: prepare again after that.

    Args:
        model: in evaluation mode; plain torch layers have to be given an algorithm first (`set_algorithm`).
        inputs: what the model is called with, for the sizes.
        max_bytes: the memory to use at most; layers that save most time come first.

    Returns:
        What was done for each windowed layer.

    Raises:
        InputError: a model in training mode or without windowed layers, no inputs, or a negative `max_bytes`.

    Not for a model whose inputs change their sizes, nor for small memory: at 7x7 a packed kernel takes 3 to 30 times
    its weight.
    """
    if not isinstance(max_bytes, int) or max_bytes < 0:
        raise InputError(f"max_bytes={max_bytes!r}; allowed: a number of bytes, 0 or more")
    if model.training:
        raise InputError(f"model={type(model).__name__} is in training mode; call model.eval() first")
    layers = {name: m for name, m in model.named_modules() if isinstance(m, WindowedMixin)}
    if not layers:
        raise InputError(f"model={type(model).__name__} has no windowed layers; set_algorithm or convert makes some")
    if not inputs:
        raise InputError("inputs are missing; allowed: what the model is called with, such as one batch of images")
    release_inference(model)
    found: dict[str, Preparation | str] = {}
    observe(model, layers, inputs, lambda name, layer, input: _note(found, name, layer, input))
    chosen, left = set(), max_bytes
    ways = {name: how for name, how in found.items() if isinstance(how, Preparation)}
    for name, how in sorted(ways.items(), key=lambda item: -item[1].gain):
        if how.bytes <= left:
            layers[name].prepared = _prepare(layers[name], how)
            chosen.add(name)
            left -= how.bytes
    return PreparationReport(max_bytes, tuple(_row(name, found.get(name), name in chosen) for name in layers))


def release_inference(model: nn.Module) -> nn.Module:
    """Undo `prepare_inference` and free its memory; returns the model."""
    for module in model.modules():
        if isinstance(module, WindowedMixin):
            module.prepared = None
    return model


def _note(found: dict[str, Preparation | str], name: str, layer: Any, input: Tensor) -> None:
    """How to prepare a layer that is called with `input`, or why not."""
    how = _consider(layer, input)
    found[name] = how if found.get(name, how) == how else "called with several sizes"


def _consider(layer: WindowedMixin, input: Tensor) -> Preparation | str:
    if layer.transposed:
        return "a transposed convolution"
    if len(layer.kernel_size) == 3:
        return "three axes"
    if route(layer, input, training=False) != "fft":
        return "goes directly"
    if torch.is_autocast_enabled(input.device.type):
        return "in autocast"
    return preparation(problem(layer, input), input.dtype) or "not by the native operator, or in blocks"


def _prepare(layer: WindowedMixin, how: Preparation) -> PreparedKernel:
    with torch.no_grad():
        weight, window = layer.weight_and_window()
        if weight.ndim == 3:  # one axis goes as a picture of one row
            weight, window = weight.unsqueeze(2), None if window is None else window.unsqueeze(0)
        return PreparedKernel(how, weight, window, layer.made_of())


def _row(name: str, how: Preparation | str | None, prepared: bool) -> PreparedLayer:
    if not isinstance(how, Preparation):
        return PreparedLayer(name, 0, False, how or "not called")
    return PreparedLayer(name, how.bytes, prepared, "" if prepared else "no memory left")
