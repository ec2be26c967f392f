"""What an attack is: a frozen, declarative entry, and the check that it fits the images."""

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
"""(target, images in [0, 1], labels, budget, settings) -> adversarial images, numbered as the images."""

Access = Literal["gradients", "scores", "none"]


@dataclass(frozen=True)
class Attack:
    """An attack on a classifier.

    Args:
        name: as commands and records have it.
        title: as people call it.
        unit: what its budget counts.
        kind: "budget" finds a change within a budget; "minimal" looks for the smallest change that deceives, and its
            budgets are only where the curve is read.
        access: what it uses of the network.
        iterative: whether it takes many steps, so that more of them, and larger budgets, can only help it.
        budgets: at which it is tried if nothing else is asked for.
        settings: its own, with their defaults; a suite may change them.
        craft: makes the images. Those that it could not change well enough may come back as they were.
        cost: forward passes, and forward and backward passes, that an image takes at one budget, from the settings
            and the number of classes: an estimate.
        classes: how many the network needs to have.
        whole: whether all images must be attacked together.
        source: the paper.
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
        """An `InputError` where the attack does not fit the data, or is given what it does not take."""
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
        """The attack with its number of steps, as records and tables name it; a run has one result of each label.

        >>> from windowconv.lab.robustness.attacks.catalogue import ATTACKS
        >>> ATTACKS["pgd"].label({"steps": 10}), ATTACKS["fgsm"].label({})
        ('pgd-10', 'fgsm')
        """
        steps = {**self.settings, **settings}.get("steps")
        return self.name if steps is None else f"{self.name}-{steps}"
