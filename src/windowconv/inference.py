"""Kernels prepared for inference: transformed once, those that gain most first, within a given amount of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.dispatch import layer_algorithm, layer_problem
from windowconv.errors import InputError
from windowconv.fftconv.prepared import Preparation, PreparedKernel, plan_preparation
from windowconv.hooks import visit_calls
from windowconv.integers import check_int
from windowconv.tables import Shown, TextTable
from windowconv.windowed import WindowedMixin


@dataclass(frozen=True)
class PreparedLayer:
    """One layer of a `PreparationReport`; `reason` says why it was not prepared."""

    name: str
    bytes: int
    prepared: bool
    reason: str


@dataclass(frozen=True)
class PreparationReport(Shown):
    """What `prepare_inference` did, layer by layer; prints as a table."""

    max_bytes: int
    layers: tuple[PreparedLayer, ...]

    @property
    def bytes(self) -> int:
        """The memory that the prepared kernels take."""
        return sum(layer.bytes for layer in self.layers if layer.prepared)

    def parts(self) -> list[TextTable | str]:
        rows = []
        for layer in self.layers:
            size = f"{layer.bytes / 2**20:.1f}" if layer.bytes else "-"
            rows.append([layer.name or "(the model)", size, "yes" if layer.prepared else f"no: {layer.reason}"])
        total = f"{self.bytes / 2**20:.1f} MiB of {self.max_bytes / 2**20:.1f} MiB used"
        return [TextTable(["layer", "MiB", "prepared"], rows), total]


def prepare_inference(model: nn.Module, *inputs: Any, max_bytes: int = 1 << 30) -> PreparationReport:
    """Transform and pack kernels once instead of in every call.

    Prepared kernels serve layers that use the fast convolution, for images of the sizes seen with `inputs`, in batches
    of any size, without gradients; all other calls are computed as before. `release_inference`, `model.train()`,
    moving or converting the model and loading weights undo the preparation. A weight that is changed in place is
    noticed, and its layer is computed as before; a write through `weight.data` is not noticed: prepare again after it.
    Weights made inside `torch.inference_mode` are not prepared, because torch does not count their changes.

    Args:
        model: in evaluation mode; give plain torch layers an algorithm first (`set_algorithm`).
        inputs: the model's positional arguments, such as one batch of images; only their sizes count.
        max_bytes: the most memory to use; the layers that save most time come first.

    Returns:
        What was done for each windowed layer.

    Raises:
        InputError: a model in training mode or without windowed layers, no inputs, or a negative `max_bytes`.

    Not for a model whose inputs change their size, nor for little memory: at 7x7 a packed kernel takes 3 to 30 times
    the memory of its weight.
    """
    max_bytes = check_int("max_bytes", max_bytes, 0)
    if model.training:
        raise InputError(f"model={type(model).__name__} in training mode; allowed: evaluation mode (model.eval())")
    layers = {name: m for name, m in model.named_modules() if isinstance(m, WindowedMixin)}
    if not layers:
        raise InputError(
            f"model={type(model).__name__} without windowed layers; allowed: one after set_algorithm or convert"
        )
    if not inputs:
        raise InputError("inputs=(); allowed: the model's arguments, such as one batch of images")
    release_inference(model)
    found: dict[str, Preparation | str] = {}
    visit_calls(model, layers, inputs, lambda name, layer, input: _record(found, name, layer, input))
    chosen, left = set(), max_bytes
    possible = {name: plan for name, plan in found.items() if isinstance(plan, Preparation)}
    for name, plan in sorted(possible.items(), key=lambda item: -item[1].gain):
        if plan.bytes <= left:
            layers[name].prepared = _prepare(layers[name], plan)
            chosen.add(name)
            left -= plan.bytes
    return PreparationReport(max_bytes, tuple(_row(name, found.get(name), name in chosen) for name in layers))


def release_inference(model: nn.Module) -> nn.Module:
    """Undo `prepare_inference` and free its memory; returns the model."""
    for module in model.modules():
        if isinstance(module, WindowedMixin):
            module.prepared = None
    return model


def _record(found: dict[str, Preparation | str], name: str, layer: Any, input: Tensor) -> None:
    """Add how to prepare a layer that is called with `input` (N, C, *sides), or the reason why not."""
    plan = _preparation(layer, input)
    found[name] = plan if found.get(name, plan) == plan else "called with several sizes"


def _preparation(layer: WindowedMixin, input: Tensor) -> Preparation | str:
    if layer.transposed:
        return "a transposed convolution"
    if len(layer.kernel_size) == 3:
        return "three axes"
    algorithm = layer_algorithm(layer, input, training=False)
    if algorithm != "fft":
        return algorithm
    if torch.is_autocast_enabled(input.device.type):
        return "autocast"
    if any(tensor.is_inference() for tensor in layer.weight_sources()):
        return "weights made in inference_mode, where torch does not count changes"
    return plan_preparation(layer_problem(layer, input), input.dtype) or "no native operator, or computed in blocks"


def _prepare(layer: WindowedMixin, plan: Preparation) -> PreparedKernel:
    with torch.no_grad():
        weight, window = layer.weight_and_window()
        if weight.ndim == 3:  # a 1-D input is an image of one row
            weight, window = weight.unsqueeze(2), None if window is None else window.unsqueeze(0)
        return PreparedKernel(plan, weight, window, layer.weight_sources())


def _row(name: str, plan: Preparation | str | None, prepared: bool) -> PreparedLayer:
    if not isinstance(plan, Preparation):
        return PreparedLayer(name, 0, False, plan or "not called")
    return PreparedLayer(name, plan.bytes, prepared, "" if prepared else "no memory left")
