"""Whole networks: training steps with 7x7 kernels, ours and torch's, beside the 3x3 ones on torch's convolutions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torchvision.models import resnet18

import windowconv
from benchmarks.fftconv.timing import Step, timed
from benchmarks.record import Job, Row
from benchmarks.window_cost import training_step
from windowconv import convert
from windowconv.fftconv import set_keep_spectra
from windowconv.lab.models.build import small_network

SET_ALGORITHM = "set_algorithm"


@dataclass(frozen=True)
class Network:
    """A network in its 3x3 and its 7x7 form, and a batch for it."""

    name: str
    large: Callable[[], nn.Module]
    small: Callable[[], nn.Module]
    batch: int
    pixels: int
    classes: int
    budget: float  # seconds of rounds


@dataclass(frozen=True)
class Variant:
    """How a network is run."""

    large: bool
    algorithm: str
    layout: torch.memory_format = torch.channels_last
    keep: bool = False  # spectra, for the backward pass


NETWORKS = {
    "small": Network(
        "the paper's small network (n=6, 32x32, batch 32), 7x7 Hamming",
        partial(small_network, "7x7-hamming", 100, 3),
        partial(small_network, "3x3", 100, 3),
        32,
        32,
        100,
        20.0,
    ),
    "resnet18": Network(
        "ResNet-18 with 7x7 (Hamming, stem 9x9) at 224, batch 32",
        lambda: convert(resnet18(), kernel_size={3: 7, 7: 9}),
        resnet18,
        32,
        224,
        1000,
        50.0,
    ),
}
VARIANTS: Mapping[str, Variant] = {
    "auto": Variant(True, "auto"),
    "auto, spectra kept": Variant(True, "auto", keep=True),
    "fft": Variant(True, "fft"),
    "direct": Variant(True, "direct"),
    "direct contiguous": Variant(True, "direct", torch.contiguous_format),
    "3x3": Variant(False, "direct"),
    "3x3 contiguous": Variant(False, "direct", torch.contiguous_format),
    "3x3 auto": Variant(False, "auto"),
}


def missing() -> list[str]:
    """What cannot be measured here."""
    if hasattr(windowconv, SET_ALGORITHM):
        return []
    return [f"This windowconv has no {SET_ALGORITHM}: whole networks and their memory are left out."]


def jobs(quick: bool) -> Iterator[Job]:
    """Every row."""
    if missing():
        return
    for key in ("small",) if quick else NETWORKS:
        yield Job(f"networks/{key}", partial(measure, key, quick))


def measure(key: str, quick: bool) -> Row:
    """Training steps in turn: the 7x7 networks that are ours with the 3x3 ones, and with torch's 7x7."""
    network = NETWORKS[key]
    steps = {name: step(network, variant) for name, variant in VARIANTS.items()}
    direct = {name: steps.pop(name) for name in list(steps) if name.startswith("direct")}
    budget = network.budget / (5 if quick else 1)
    same = {"auto": steps["auto"], **direct}
    return {"name": network.name, "small": timed(steps, budget), "same": timed(same, budget / 5)}


def step(network: Network, variant: Variant) -> Step:
    """A whole training step (forward, loss, backward, SGD), from the same weights and on the same batch."""
    torch.manual_seed(0)
    model = network.large() if variant.large else network.small()
    layout: Any = {"memory_format": variant.layout}
    model = with_algorithm(model, variant.algorithm).to(**layout)
    images = torch.rand(network.batch, 3, network.pixels, network.pixels).to(**layout)
    train = training_step(model, images, torch.randint(network.classes, (network.batch,)))

    def run() -> None:
        set_keep_spectra(variant.keep)
        try:
            train()
        finally:
            set_keep_spectra(False)

    return run


def with_algorithm(model: nn.Module, algorithm: str) -> nn.Module:
    """The model on an algorithm; one of torch's layers alone stays as it is for "direct"."""
    if algorithm == "direct" and not any(isinstance(module, windowconv.WindowedConv2d) for module in model.modules()):
        return model
    return getattr(windowconv, SET_ALGORITHM)(model, algorithm)
