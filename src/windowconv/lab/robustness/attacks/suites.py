"""Suites: which attacks, on how many images, with which budgets of perturbation and of computing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from windowconv.errors import InputError
from windowconv.lab.robustness.attacks.attack import Attack
from windowconv.lab.robustness.attacks.catalogue import find_attack
from windowconv.lab.robustness.attacks.norms import Shape

SuiteName = Literal["quick", "paper", "standard", "all"]
SUITES = get_args(SuiteName)


@dataclass(frozen=True)
class Trial:
    """An attack with its settings, its budgets and its number of images.

    Args:
        attack: its name.
        images: how many, evenly over the classes; a smaller sample is part of a larger one.
        budgets: in the attack's unit; the attack's own if empty.
        settings: those that differ from the attack's own.
        check: whether it serves the sanity checks only, and is no result.
        source: for transferred attacks, the arm on whose network of the same seed images are crafted.
    """

    attack: str
    images: int
    budgets: tuple[float, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    check: bool = False
    source: str = ""

    @property
    def entry(self) -> Attack:
        """The attack."""
        return find_attack(self.attack)

    @property
    def grid(self) -> tuple[float, ...]:
        """The budgets, ascending."""
        return tuple(sorted(self.budgets or self.entry.budgets))

    def within(self, images: int) -> Trial:
        """The same attack, on no more than so many images."""
        return replace(self, images=min(self.images, images))

    @property
    def all_settings(self) -> dict[str, Any]:
        """All settings, with the attack's defaults."""
        return {**self.entry.settings, **self.settings}

    @property
    def label(self) -> str:
        """The name in records and tables."""
        return f"{self.attack}-from-{self.source.replace(':', '_')}" if self.source else self.entry.label(self.settings)

    def verify(self, classes: int, shape: Shape) -> None:
        """An `InputError` unless it fits the data: the number of classes, and images of `shape` (C, H, W)."""
        if self.images < 1:
            raise InputError(f"images={self.images}; allowed: 1 or more")
        self.entry.check(self.grid, self.settings, classes, shape)

    def work(self, classes: int) -> float:
        """Its computing relative to others: forward passes, where one with a backward pass counts as three."""
        forward, gradient = self.cost(classes)
        return forward + 3 * gradient

    def cost(self, classes: int) -> tuple[float, float]:
        """An estimate for all its images: forward passes, and forward passes with a backward pass."""
        forward, gradient = self.entry.cost(self.all_settings, classes)
        times = self.images * (1 if self.entry.kind == "minimal" else len(self.grid))
        return (forward + 1) * times, gradient * times


STRONGER = Trial("pgd", 100, (1 / 255, 4 / 255, 1.0), {"steps": 40}, check=True)
"""A stronger attack, for the sanity checks: more steps, and a budget without bounds."""

QUICK = (
    Trial("fgsm", 100),
    Trial("pgd", 100, settings={"steps": 10}),
    Trial("noise", 100),
    STRONGER,
)
PAPER = (
    Trial("fgsm", 500),
    Trial("pgd", 500, settings={"steps": 20}),
    Trial("deepfool", 500, settings={"steps": 20}),
    Trial("spatial", 500),
    Trial("one-pixel", 500, settings={"population": 50, "generations": 5}),
    Trial("noise", 500),
    STRONGER,
)
"""The kinds of attack that the paper names, with settings that let a laptop attack many runs."""
STANDARD = (
    Trial("apgd-ce", 200),
    Trial("apgd-t", 200),
    Trial("fab-t", 200),
    Trial("square", 200),
    Trial("pgd", 200, settings={"steps": 20}),
    Trial("noise", 200),
    STRONGER,
)
ALL = (
    *(replace(trial, images=max(trial.images, 200) if not trial.check else trial.images) for trial in STANDARD),
    *(trial for trial in PAPER if trial.attack not in {"pgd", "noise"} and not trial.check),
    Trial("bim", 200),
    Trial("pgd-l2", 200),
    Trial("cw", 100),
    Trial("universal", 200),
)
TRIALS: dict[str, tuple[Trial, ...]] = {"quick": QUICK, "paper": PAPER, "standard": STANDARD, "all": ALL}
TRANSFER = ("all",)
"""Suites that also try on each arm the images that were crafted on the others."""
CONDITIONS = ("standard", "all")
"""Suites that also measure corruptions, filtered images and shifts."""


def choose(
    suite: SuiteName,
    attacks: Sequence[str] = (),
    images: int | None = None,
    budgets: Sequence[float] = (),
) -> tuple[Trial, ...]:
    """The trials of a suite, or of single attacks.

    Args:
        suite: its name.
        attacks: only these, by name.
        images: in place of each trial's own number; checks take no more than their own.
        budgets: in place of the one attack's own.

    Raises:
        InputError: an unknown suite or attack; budgets without exactly one attack.
    """
    if suite not in TRIALS:
        raise InputError(f"suite={suite!r}; allowed: {', '.join(SUITES)}")
    if budgets and len(attacks) != 1:
        raise InputError(f"budgets={list(budgets)} are for one attack: name it with --attacks")
    trials = TRIALS[suite]
    if attacks:
        trials = tuple(_of(name, trials) for name in attacks)
    if budgets:
        trials = (replace(trials[0], budgets=tuple(budgets)),)
    if images is not None:
        trials = tuple(replace(t, images=min(images, t.images) if t.check else images) for t in trials)
    return trials


def _of(name: str, trials: Sequence[Trial]) -> Trial:
    """The suite's trial of an attack, or else the attack with its own settings."""
    entry = find_attack(name)
    found = [trial for trial in trials if trial.attack == entry.name and not trial.check]
    return found[0] if found else Trial(entry.name, trials[0].images)


def fitting(trials: Sequence[Trial], classes: int) -> tuple[tuple[Trial, ...], list[str]]:
    """The trials that fit a network with so many classes, and a sentence on each of the others."""
    kept = tuple(trial for trial in trials if trial.entry.classes <= classes)
    left_out = [
        f"{trial.label} is not run: it needs {trial.entry.classes} classes or more, the network has {classes}"
        for trial in trials
        if trial not in kept
    ]
    return kept, left_out


def transfers(arm: str, arms: Sequence[str], images: int) -> tuple[Trial, ...]:
    """Trials on an arm of images that are crafted on each of the other arms."""
    return tuple(Trial("transfer", images, source=other) for other in arms if other != arm)


def verify(trials: Sequence[Trial], classes: int, shape: Shape, available: int) -> None:
    """An `InputError` unless trials fit the data: classes, images of `shape` (C, H, W), and `available` test images."""
    labels = [trial.label for trial in trials]
    if len(set(labels)) != len(labels):
        raise InputError(f"attacks={labels}; allowed: each once")
    for trial in trials:
        trial.verify(classes, shape)
        if trial.images > available:
            raise InputError(f"images={trial.images}; allowed: 1 to {available}, the size of the runs' test set")
