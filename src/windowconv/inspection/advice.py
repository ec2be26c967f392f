"""The conversion that an inspection recommends, as the code that carries it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

from torch import nn

from windowconv.conversion import check_ties
from windowconv.eligibility import convolutions, unfit
from windowconv.errors import InputError
from windowconv.kernel_geometry import kernel_taps
from windowconv.plan import is_patch_embedding, plan_conversion
from windowconv.spectra.window_effects import WindowEffect, fit_for_window
from windowconv.windows import as_window, window_values

WORTH = 0.02  # of L(1/4): a smaller change is not worth a window
WORST = 25.0  # times that a raw weight may be enlarged: 7 taps in 9 come to 21.7, and 7 in 7 to 156
WINDOW = "hamming"


@dataclass(frozen=True)
class Advice:
    """A call of `windowconv.convert`.

    Attributes:
        arguments: the call's, by name.
        amplification: the largest factor by which it enlarges a raw weight.
        layers: how many it converts.
    """

    arguments: dict[str, Any]
    amplification: float
    layers: int

    @property
    def call(self) -> str:
        """The call as Python code, for a network `model`."""
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"model = windowconv.convert(model, {given})"

    @property
    def note(self) -> str:
        """What the call does, and what follows for training."""
        return (
            f"Converts {self.layers} layer{'' if self.layers == 1 else 's'}. The network computes the same as before; "
            f"raw weights grow up to {self.amplification:.1f} times, so fine-tune without weight decay on these layers."
        )


def advise(model: nn.Module, effects: Iterable[WindowEffect]) -> Advice | None:
    """The call that puts windows where they help, and keeps the network's function; None where they help nowhere.

    Kernels grow, so that what the window is divided out of stays moderate: see `grown_taps`. The call warns of no
    skipped layer.

    Args:
        model: the network.
        effects: of `window_effects`.
    """
    worth = {effect.layer: effect for effect in effects if effect.change is None or effect.change <= -WORTH}
    try:
        found = {name: layer for name, layer in convolutions(model).items() if not _is_left_alone(layer)}
        chosen = {name: worth[name] for name, layer in found.items() if name in worth and unfit(layer) is None}
        if not chosen:
            return None
        arguments: dict[str, Any] = {"window": WINDOW}
        if sizes := _sizes(chosen.values()):
            arguments["kernel_size"] = sizes
        arguments["preserve"] = True
        left = [name for name in found if name not in chosen]
        if left:
            arguments |= {"exclude": left} if len(left) <= len(chosen) else {"include": list(chosen)}
        plan = plan_conversion(model, **arguments)
        check_ties(model, plan)
    except InputError:  # such as layers that share a weight and would get different kernels
        return None
    converted = [layer for layer in plan.layers if layer.action == "window"]
    return Advice(arguments, max(layer.amplification for layer in converted), len(converted))


def grown_taps(taps: int, axes: int) -> int:
    """The taps to which a kernel's side grows: the fewest with which no raw weight is enlarged above `WORST`.

    They are of the same parity, and enough for a window that tapers.

    Args:
        taps: of the side.
        axes: how many of the kernel's axes have the window.

    >>> [grown_taps(taps, axes=2) for taps in (2, 3, 5, 7, 11)], grown_taps(401, axes=1)
    ([8, 7, 7, 9, 15], 401)
    """
    for size in count(fit_for_window(taps), 2):
        corner = window_values(as_window(WINDOW, (size,)), (size,))[(size - taps) // 2]
        if corner**-axes <= WORST:
            return size
    raise AssertionError("unreachable")


def _sizes(effects: Iterable[WindowEffect]) -> dict[int, int]:
    """New sizes by old ones, where they differ."""
    axes: dict[int, int] = {}
    for effect in effects:
        sides = [k for k in effect.kernel if k > 1]
        axes |= {k: max(len(sides), axes.get(k, 0)) for k in sides}
    grown = {k: grown_taps(k, axes[k]) for k in sorted(axes)}
    return {k: size for k, size in grown.items() if size != k}


def _is_left_alone(layer: nn.Module) -> bool:
    """Whether `convert` leaves a layer as it is, without a word; others it converts, or skips with a warning."""
    return unfit(layer) is None and (max(kernel_taps(layer)) == 1 or is_patch_embedding(layer))
