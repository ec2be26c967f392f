"""With which algorithms a run computes: chosen once, when it starts, and the same from then on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from windowconv.algorithms import algorithm_report, set_algorithm
from windowconv.lab.config import Execution, Training
from windowconv.lab.data import ImageData
from windowconv.lab.models.build import build
from windowconv.lab.models.matching import NetworkSpec
from windowconv.lab.models.relatives.constructed_kernel import ConstructedKernel
from windowconv.phases import phase

Pins = dict[str, str]

NUMERICS = 1
"""Raised by hand when the same settings, images and algorithms come to other results than before, but for rounding;
runs of another version are then not reused."""


def choose_algorithms(
    spec: NetworkSpec, training: Training, data: ImageData, execution: Execution, processes: int = 1
) -> Pins:
    """The algorithms with which an arm's runs train, for one part of one process's share of a step."""
    images = -(-min(training.batch_size, len(data.train)) // (processes * training.accumulate))
    with phase(f"choosing algorithms for {spec.arguments['arm']}"):
        network = build(spec.builder, spec.arguments).to(execution.device)
        return pin_algorithms(network, training.algorithm, (images, data.channels, *data.image_size))


def pin_algorithms(model: nn.Module, algorithm: str, batch: tuple[int, ...]) -> Pins:
    """Choose each convolution's algorithm for training on batches of this shape, and fix it.

    Args:
        model: in place; plain convolutions that do not go directly become windowed ones without a window.
        algorithm: "auto", "direct" or "fft".
        batch: (N, C, H, W).

    Returns:
        "fft" or "direct" by layer name, as run.json has it.
    """
    exclude = None if algorithm == "fft" else _constructed(model)
    set_algorithm(model, algorithm, exclude=exclude)  # pyright: ignore[reportArgumentType]
    device = next(model.parameters()).device
    images = torch.zeros(batch, device=device).contiguous(memory_format=torch.channels_last)
    pins = algorithm_report(model, images, training=True).pins
    return restore_algorithms(model, pins)


def restore_algorithms(model: nn.Module, pins: Mapping[str, Any]) -> Pins:
    """Let a model compute with the algorithms that a run was trained with."""
    if pins:
        set_algorithm(model, dict(pins), exclude=_constructed(model))
    return dict(pins)


def _constructed(model: nn.Module) -> list[str] | None:
    """The names of layers that make their kernels themselves: they compute directly, about which nobody is warned."""
    return [name for name, layer in model.named_modules() if isinstance(layer, ConstructedKernel)] or None
