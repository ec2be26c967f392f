"""The units of budgets: how large a perturbation is, and which budgets are allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from windowconv.errors import InputError

Shape = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True)
class Unit:
    """The unit of an attack's budgets.

    Args:
        name: in records.
        symbol: on axes and in tables.
        allowed: what a budget is, in words.
        largest: the largest budget for images of a shape (C, H, W); the smallest lies above 0.
        whole: whether budgets are whole numbers.
        size: from perturbations (N, C, H, W) to their sizes (N,), float64; None if images do not show it.
    """

    name: str
    symbol: str
    allowed: str
    largest: Callable[[Shape], float]
    whole: bool = False
    size: Callable[[Tensor], Tensor] | None = None

    def check(self, budget: float, shape: Shape) -> None:
        """An `InputError` for a budget outside the range."""
        largest = self.largest(shape)
        fits = math.isfinite(budget) and 0 < budget <= largest and (not self.whole or float(budget).is_integer())
        if not fits:
            whole = "whole numbers, " if self.whole else ""
            raise InputError(
                f"budget={budget:g}; allowed ({self.symbol}, {self.allowed}): {whole}above 0 to {largest:g}"
            )

    def text(self, budget: float) -> str:
        """A budget in its usual notation.

        >>> LINF.text(8 / 255), LINF.text(1 / 510), PIXELS.text(1), DEGREES.text(30)
        ('8/255', '0.5/255', '1', '30°')
        """
        if self is LINF and budget < 0.5:
            return f"{255 * budget:.3g}/255"
        return f"{budget:g}" + ("°" if self is DEGREES else "")


def _flat(perturbation: Tensor) -> Tensor:
    return perturbation.detach().double().flatten(1)


def _pixels(perturbation: Tensor) -> Tensor:
    return (perturbation.abs().amax(1) > 1e-6).flatten(1).sum(1).double()


LINF = Unit(
    "linf", "L∞", "change of any value of an image in [0, 1]", lambda _: 1.0, size=lambda d: _flat(d).abs().amax(1)
)
L2 = Unit(
    "l2",
    "L2",
    "Euclidean length of the change of an image in [0, 1]",
    lambda shape: math.sqrt(math.prod(shape)),
    size=lambda d: torch.linalg.vector_norm(_flat(d), dim=1),
)
PIXELS = Unit("pixels", "pixels", "pixels changed", lambda shape: float(shape[1] * shape[2]), whole=True, size=_pixels)
DEGREES = Unit("degrees", "degrees", "largest rotation either way; shifts grow with it", lambda _: 180.0)

UNITS = {unit.name: unit for unit in (LINF, L2, PIXELS, DEGREES)}

LINF_GRID = tuple(k / 255 for k in (0.125, 0.25, 0.5, 1, 2, 4, 8))
"""Beyond, networks without adversarial training are at zero."""
L2_GRID = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)


def check_grid(budgets: Sequence[float], unit: Unit, shape: Shape) -> tuple[float, ...]:
    """The budgets, ascending; an `InputError` for one out of range, one given twice, or none."""
    if not budgets or len(set(budgets)) != len(budgets):
        raise InputError(f"budgets={list(budgets)}; allowed: one or more, each once")
    for budget in budgets:
        unit.check(budget, shape)
    return tuple(sorted(map(float, budgets)))
