"""Accuracy when only the central taps of all kernels are kept: which taps a network relies on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from windowconv import plots
from windowconv.kernel_geometry import Convolution
from windowconv.lab.config import Execution
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Colours, Evaluation, Measurement, Metric, Runs
from windowconv.lab.training.evaluate import evaluate
from windowconv.report import Figure, Section
from windowconv.spectra.filters import convolutions

SIDES = (3, 5)
"""The sides that every network has a number for: kernels that are no larger stay whole."""


class CroppingValues(TypedDict):
    """Accuracies by side, and the side of the largest kernels."""

    largest: int


class Cropping(Evaluation):
    """Accuracy on the test images after setting all taps outside a central square to zero, for each smaller size.

    Nothing is trained again and no statistics are taken anew, so that the loss says what the outer taps do in this
    network, not what a network of smaller kernels could reach.
    """

    name = "cropping"
    metrics = tuple(Metric(f"cropped-{side}x{side}", f"cropped to {side}x{side} (%)", f"{side}") for side in SIDES)
    types = (CroppingValues, dict[str, float])

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        model = network.on(execution.device)
        largest = max(max(layer.kernel_size) for layer in convolutions(model).values())
        found = accuracies_when_cropped(model, images, {*SIDES, *range(largest, 0, -2)}, execution)
        return Measurement({**{f"{side}": share for side, share in found.items()}, "largest": largest})

    def sections(self, runs: Runs, colours: Colours = None, images: Images | None = None) -> list[Section]:
        found = {name: [_accuracies(self.values(run) or {}) for run in held] for name, held in runs.items()}
        caption = (
            "Test accuracy when only the central taps of every kernel are kept and the others set to zero, without "
            "training again. The last point of each curve is the whole network."
        )
        drawn = plots.svg(plots.accuracy_by_kernel_size(found, colours))
        return [
            Section("Cropped kernels", [Figure(drawn, caption, "Accuracy against the size kernels are cropped to")])
        ]

    def note(self, values: Mapping[str, Any]) -> str:
        return "Cropped: test accuracy when the outer taps of all kernels are set to zero in the trained network."


def accuracies_when_cropped(
    model: nn.Module, images: Images, sides: Iterable[int], execution: Execution
) -> dict[int, float]:
    """The accuracy after cropping all kernels to each of some sides, ascending; see `cropped` for which stay whole."""

    def accuracy() -> float:
        return evaluate(model, images, execution.device, workers=execution.workers).accuracy

    found: dict[int, float] = {}
    whole: float | None = None
    for side in sorted(sides):
        with cropped(model, side) as layers:
            if layers:
                found[side] = accuracy()
                continue
            whole = accuracy() if whole is None else whole
            found[side] = whole
    return found


@contextmanager
def cropped(model: nn.Module, side: int) -> Iterator[int]:
    """Set the taps of all kernels outside the central square to zero, and put them back afterwards.

    A kernel that is no larger on any axis stays whole, and so does one that has no central square of this side, since
    its own side is even where `side` is odd, or the other way round.

    Args:
        model: plain and windowed convolutions of it are changed in place.
        side: of the square, in taps.

    Yields:
        How many layers were cropped.
    """
    kept: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        for layer in convolutions(model).values():
            if (mask := _mask(layer, side)) is not None:
                kept.append((layer.weight, layer.weight.detach().clone()))
                layer.weight.mul_(mask)
    try:
        yield len(kept)
    finally:
        with torch.no_grad():
            for weight, before in kept:
                weight.copy_(before)


def _mask(layer: Convolution, side: int) -> Tensor | None:
    """Ones in the central square of a layer's kernels; None where they stay whole."""
    sizes = tuple(layer.kernel_size)
    if max(sizes) <= side or any(k > side and (k - side) % 2 for k in sizes):
        return None
    mask = torch.zeros(sizes, dtype=layer.weight.dtype.to_real(), device=layer.weight.device)
    mask[tuple(slice((k - side) // 2, (k + side) // 2) if k > side else slice(None) for k in sizes)] = 1
    return mask


def _accuracies(values: Mapping[str, Any]) -> dict[int, float]:
    """In percent, by side, up to that of the largest kernels."""
    sides = {int(key): share for key, share in values.items() if key.isdecimal()}
    return {side: 100 * share for side, share in sides.items() if side <= values["largest"]}
