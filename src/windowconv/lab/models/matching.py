"""Widths that give an arm's network the size of the 3x3 arm's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

import torch

from windowconv.errors import InputError
from windowconv.lab.config import Training
from windowconv.lab.models.arms import Arm, parse_arm
from windowconv.lab.models.build import BUILDERS, build
from windowconv.lab.models.resnet import NARROWEST
from windowconv.model_summary import summary
from windowconv.phases import phase

BASELINE = "3x3"
ROUNDS = 40  # of changes to single layers
STEPS = (-2, -1, 1, 2)
STAGES = {"resnet18": (1, 2, 4, 8), "resnet18-cifar": (1, 2, 4, 8), "vgg11-bn": (1, 2, 4, 8, 8), "airbench": (1, 4, 4)}
"""The channels of each stage over the width."""


@dataclass(frozen=True)
class NetworkSpec:
    """Which network a run trains: a builder and its arguments, and how near a matched one came.

    Attributes:
        builder, arguments: for `windowconv.lab.models.build.build`.
        parameters, macs: of it, the latter for one image forward.
        gap: relative difference of what was matched to the 3x3 arm's; None if nothing was.
        matched: "params", "flops" or "none".
    """

    builder: str
    arguments: dict[str, Any]
    parameters: int
    macs: int
    gap: float | None = None
    matched: str = "none"

    def size(self) -> dict[str, Any]:
        """What records say of its size."""
        found: dict[str, Any] = {"parameters": self.parameters, "macs": self.macs}
        if self.gap is not None:
            found |= {"widths": list(self.arguments["widths"]), "matched": self.matched, "gap": self.gap}
        return found

    def __str__(self) -> str:
        text = f"{self.parameters:,} parameters, {self.macs / 1e6:,.2f} M multiply-adds"
        if self.gap is None:
            return text
        what = "parameters" if self.matched == "params" else "multiply-adds"
        widths = ", ".join(map(str, self.arguments["widths"]))
        return f"widths {widths}: {text}; {what} {self.gap:+.2%} against {BASELINE}"


def network_spec(training: Training, arm: str, seed: int, classes: int, image: tuple[int, int, int]) -> NetworkSpec:
    """The network of an arm.

    Args:
        training: the network's name, its width, and whether arms are matched.
        arm: as in `parse_arm`; its own `-params` or `-flops` goes before `training.match`.
        seed: of a shuffled window.
        classes: of the output.
        image: channels, height and width.

    Raises:
        InputError: an unknown network, or one to be matched that takes no widths.
    """
    parsed = parse_arm(arm)
    match = parsed.match if parsed.match != "none" else training.match
    arguments: dict[str, Any] = {"arm": arm, "classes": classes, "channels": image[0]}
    if parsed.is_seeded:
        arguments["seed"] = seed
    if training.normalize != "none":
        arguments["normalize"] = training.normalize
    if training.dropout:
        arguments["dropout"] = training.dropout
    gap = None
    widths = start_widths(training)
    if arm != BASELINE and match != "none":
        if widths is None:
            known = ", ".join(BUILDERS)
            raise InputError(f"match={match!r}: the network {training.network} takes no widths; allowed: {known}")
        with phase(f"matching the widths of {arm}"):
            widths, goal = _match(training.network, widths, _without_window(parsed), match, (classes, *image))
        size = _size(training.network, _key({**arguments, "widths": widths}), image)
        gap = size[0 if match == "params" else 1] / goal - 1
    if widths is not None:
        arguments["widths"] = list(widths)
    parameters, macs = _size(training.network, _key(arguments), image)
    return NetworkSpec(training.network, arguments, parameters, macs, gap, match if gap is not None else "none")


def start_widths(training: Training) -> tuple[int, ...] | None:
    """The channels of each layer (small) or stage without matching; None for networks without a choice."""
    if training.network == "small":
        return (training.width, *[2 * training.width] * (training.depth - 1))
    stages = STAGES.get(training.network)
    return None if stages is None else tuple(training.width * times for times in stages)


@lru_cache(maxsize=64)
def _match(
    network: str,
    start: tuple[int, ...],
    arm: str,
    match: Literal["params", "flops"],
    task: tuple[int, int, int, int],
) -> tuple[tuple[int, ...], int]:
    """The widths nearest the baseline's size, and that size; `task` is the classes and the image's shape.

    All widths are scaled alike first, then one changes at a time as long as that helps.
    """
    arguments = {"classes": task[0], "channels": task[1]}
    which = 0 if match == "params" else 1
    least = NARROWEST if network.startswith("resnet18") else 1
    goal = _size(network, _key({**arguments, "arm": BASELINE, "widths": start}), task[1:])[which]

    @cache
    def gap(widths: tuple[int, ...]) -> float:
        return _size(network, _key({**arguments, "arm": arm, "widths": widths}), task[1:])[which] / goal - 1

    best = _scaled(start, gap, least)
    for _ in range(ROUNDS):
        near = [_with(best, i, best[i] + step) for i in range(len(best)) for step in STEPS if best[i] + step >= least]
        better = min(near, key=lambda widths: abs(gap(widths)))
        if abs(gap(better)) >= abs(gap(best)):
            break
        best = better
    return best, goal


def _without_window(arm: Arm) -> str:
    """The arm that is counted in an arm's place: windows are next to nothing, and slow to make."""
    return "-".join([f"{arm.kernel_size}x{arm.kernel_size}", *arm.axes])


def _scaled(start: Sequence[int], gap: Callable[[tuple[int, ...]], float], least: int) -> tuple[int, ...]:
    """All widths times one factor, by bisection; the size grows with it."""
    low, high = 0.0, 4.0
    for _ in range(24):
        middle = (low + high) / 2
        if gap(_times(start, middle, least)) > 0:
            high = middle
        else:
            low = middle
    return min((_times(start, low, least), _times(start, high, least)), key=lambda widths: abs(gap(widths)))


def _times(widths: Sequence[int], factor: float, least: int) -> tuple[int, ...]:
    return tuple(max(least, round(width * factor)) for width in widths)


def _with(widths: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*widths[:index], value, *widths[index + 1 :])


def _key(arguments: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in arguments.items()))


@lru_cache(maxsize=4096)
def _size(network: str, key: tuple[tuple[str, Any], ...], image: tuple[int, int, int]) -> tuple[int, int]:
    """Parameters and multiply-adds of one image, counted without memory or arithmetic."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a window that does not suit a size: said when the network is made
        model = build(network, dict(key))
        counted = summary(model, torch.empty(1, *image))
    return counted.parameters, counted.macs
