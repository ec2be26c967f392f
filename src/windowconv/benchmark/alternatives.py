"""The ways to compute a network that are compared: torch's convolutions in two layouts, and ours."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from windowconv.algorithms import AlgorithmReport, algorithm_report, set_algorithm
from windowconv.errors import WindowWarning
from windowconv.fftconv.arguments import Algorithm
from windowconv.folding import fold
from windowconv.inference import prepare_inference
from windowconv.kernel_geometry import copy_model
from windowconv.windowed import WindowedMixin

TORCH = "torch"
TORCH_LAST = "torch, channels last"
OURS = "set_algorithm"
PREPARED = "set_algorithm and prepare_inference"


@dataclass(frozen=True)
class Alternatives:
    """One phase's networks.

    Attributes:
        models: the networks by the names above.
        layouts: of each.
        inputs: what the networks are called with.
        chosen: the algorithm of each layer of OURS.
        prepared: the names of the layers that PREPARED has prepared.
    """

    models: Mapping[str, nn.Module]
    layouts: Mapping[str, torch.memory_format]
    inputs: tuple[Tensor, ...]
    chosen: AlgorithmReport
    prepared: frozenset[str] = frozenset()

    @property
    def baselines(self) -> tuple[str, ...]:
        """The names of those that are torch's."""
        return tuple(name for name in (TORCH, TORCH_LAST) if name in self.models)

    @property
    def gains(self) -> tuple[str, ...]:
        """The names of the layers that OURS computes in the frequency domain."""
        return tuple(dict.fromkeys(layer.name for layer in self.chosen.layers if layer.choice == "fft"))

    def given(self, name: str) -> tuple[Tensor, ...]:
        """The inputs in the layout of one of the networks."""
        return tuple(arranged(each, self.layouts[name]) for each in self.inputs)


def for_training(model: nn.Module, inputs: tuple[Tensor, ...]) -> Alternatives:
    """Copies of a network in training mode, with its windows."""
    return _made(model, inputs, training=True)


def for_inference(model: nn.Module, inputs: tuple[Tensor, ...]) -> Alternatives:
    """Copies of a network in evaluation mode, its windows multiplied into the weights, as one would deploy it."""
    if any(isinstance(layer, WindowedMixin) for layer in model.modules()):
        model = fold(model)
    found = _made(model, inputs, training=False)
    if not found.gains:
        return found
    ready = _copy(model, "auto", found.layouts[OURS], training=False)
    report = prepare_inference(ready, *found.given(OURS))
    prepared = frozenset(layer.name for layer in report.layers if layer.prepared)
    if not prepared:
        return found
    models, layouts = {**found.models, PREPARED: ready}, {**found.layouts, PREPARED: found.layouts[OURS]}
    return replace(found, models=models, layouts=layouts, prepared=prepared)


def _made(model: nn.Module, inputs: tuple[Tensor, ...], training: bool) -> Alternatives:
    """torch's layouts, and ours in the last of them, which suits our algorithm."""
    layouts = _layouts(inputs)
    models = {name: _copy(model, "direct", layout, training) for name, layout in layouts.items()}
    layouts[OURS] = list(layouts.values())[-1]
    models[OURS] = _copy(model, "auto", layouts[OURS], training)
    given = (arranged(each, layouts[OURS]) for each in inputs)
    report = algorithm_report(models[OURS], *given, training=training)
    return Alternatives(models, layouts, inputs, report)


def arranged(tensor: Tensor, layout: torch.memory_format) -> Tensor:
    """The tensor in a layout, if that is for tensors of its rank."""
    rank = {torch.channels_last: 4, torch.channels_last_3d: 5}.get(layout, tensor.ndim)
    return tensor.contiguous(memory_format=layout) if tensor.ndim == rank else tensor


def tensors_in(output: Any) -> Iterator[Tensor]:
    """The floating-point tensors of a network's output, however nested."""
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, Mapping):
        for each in output.values():
            yield from tensors_in(each)
    elif isinstance(output, Iterable) and not isinstance(output, str):
        for each in output:
            yield from tensors_in(each)


def _layouts(inputs: Sequence[Tensor]) -> dict[str, torch.memory_format]:
    """torch's layouts for these inputs: one for sequences, two for images and volumes."""
    rank = max(each.ndim for each in inputs)
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(rank)
    return {TORCH: torch.contiguous_format} | ({} if last is None else {TORCH_LAST: last})


def _copy(model: nn.Module, algorithm: Algorithm, layout: torch.memory_format, training: bool) -> nn.Module:
    with warnings.catch_warnings():
        if algorithm == "direct":  # the layers that are skipped are named for "auto"
            warnings.simplefilter("ignore", WindowWarning)
        copy = set_algorithm(copy_model(model), algorithm).train(training)
    options: Any = {"memory_format": layout}
    return copy if layout is torch.contiguous_format else copy.to(**options)
