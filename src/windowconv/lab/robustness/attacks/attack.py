"""An attack as a value, and the check that it fits the images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from windowconv.errors import InputError, unknown
from windowconv.lab.robustness.attacks.norms import Shape, Unit, check_grid
from windowconv.lab.robustness.attacks.target import Target

Settings = Mapping[str, Any]
Craft = Callable[[Target, Tensor, Tensor, float, Settings], Tensor]
"""(target, images (N, C, H, W) in [0, 1], labels (N,), budget, settings) -> adversarial images (N, C, H, W)."""

Access = Literal["gradients", "scores", "none"]


@dataclass(frozen=True)
class Attack:
    """An attack on a classifier.

    Args:
        name: in commands and records.
        title: its full name.
        unit: of its budgets.
        kind: "budget" looks for a perturbation within a budget; "minimal" looks for the smallest perturbation that
            deceives, and budgets are only where its curve is read.
        access: what it uses of the network.
        iterative: whether it takes many steps, so that more of them, and larger budgets, can only help it.
        budgets: its default ones.
        craft: makes the adversarial images; where it fails, the image may come back unchanged.
        cost: from the settings and the number of classes, an estimate of the forward passes, and of the forward passes
            with a backward pass, that an image takes at one budget.
        source: the paper.
        settings: with their defaults.
        classes: the smallest number of classes that it works with.
        whole: whether all images must be attacked together.
    """

    name: str
    title: str
    unit: Unit
    kind: Literal["budget", "minimal"]
    access: Access
    iterative: bool
    budgets: tuple[float, ...]
    craft: Craft
    cost: Callable[[Settings, int], tuple[float, float]]
    source: str
    settings: Settings = field(default_factory=dict)
    classes: int = 2
    whole: bool = False

    def check(self, budgets: tuple[float, ...], settings: Settings, classes: int, shape: Shape) -> None:
        """An `InputError` unless the attack has these settings, and fits budgets, classes and images of `shape`."""
        for name in settings:
            if name not in self.settings:
                raise unknown(f"{self.name}'s setting", name, self.settings or ["(none)"])
        if classes < self.classes:
            raise InputError(f"attack={self.name!r} needs {self.classes} classes or more; the network has {classes}")
        try:
            check_grid(budgets, self.unit, shape)
        except InputError as error:
            raise InputError(f"attack={self.name!r}: {error}") from None

    def label(self, settings: Settings) -> str:
        """The name in records and tables, with the number of steps; a run has one result for each label.

        >>> from windowconv.lab.robustness.attacks.catalogue import ATTACKS
        >>> ATTACKS["pgd"].label({"steps": 10}), ATTACKS["fgsm"].label({})
        ('pgd-10', 'fgsm')
        """
        steps = {**self.settings, **settings}.get("steps")
        return self.name if steps is None else f"{self.name}-{steps}"
