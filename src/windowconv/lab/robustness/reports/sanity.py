"""Checks that attacks must pass before their results are trusted; each says in words what it found.

Source: Athalye et al., Obfuscated gradients give a false sense of security, ICML 2018; Carlini et al., On evaluating
adversarial robustness, 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from windowconv.lab.robustness.attacks.catalogue import find_attack
from windowconv.lab.robustness.attacks.norms import LINF, Unit
from windowconv.lab.robustness.attacks.result import AttackResult

TOLERANCE = 0.02
"""Share of the images that may speak against a check by chance; at least one image may."""


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes:
        name: what must hold.
        passed: whether it does, up to the tolerance.
        found: the numbers, in words.
    """

    name: str
    passed: bool
    found: str


def sanity_checks(results: Sequence[AttackResult], classes: int, tolerance: float = TOLERANCE) -> list[Check]:
    """All checks that the attacks on one run make possible.

    Args:
        results: of one run.
        classes: of the network.
        tolerance: share of the images that may speak against a check.
    """
    return [
        *_larger_budgets(results, tolerance),
        *_more_steps(results, tolerance),
        *_unbounded(results, classes),
        *_noise(results, tolerance),
        *_steps_beat_one(results, tolerance),
        *_black_box(results, tolerance),
    ]


def _larger_budgets(results: Sequence[AttackResult], tolerance: float) -> Iterator[Check]:
    """A single large step may jump over an error, so this holds for iterative attacks only."""
    for result in results:
        if not find_attack(result.record["attack"]).iterative or len(result.budgets) < 2:
            continue
        accuracy = result.robust_accuracy()
        rises = [(after - before, i) for i, (before, after) in enumerate(pairwise(accuracy))]
        most, at = max(rises)
        passed = most <= _allowed(tolerance, len(result.clean))
        low, high = (result.unit.text(budget) for budget in result.budgets[at : at + 2])
        found = (
            f"robust accuracy never rises by more than {max(most, 0):.1%}"
            if passed
            else f"robust accuracy rises by {most:.1%} from {low} to {high}"
        )
        yield Check(f"{result.label}: a larger budget never helps the network", passed, found)


def _more_steps(results: Sequence[AttackResult], tolerance: float) -> Iterator[Check]:
    pgd = sorted(_of(results, "pgd"), key=lambda result: result.record["settings"]["steps"])
    for fewer, more in pairwise(pgd):
        for budget in sorted(set(fewer.budgets) & set(more.budgets)):
            few, many, n = _at(fewer, more, budget)
            name = f"{more.label} is no weaker than {fewer.label} at {fewer.unit.text(budget)}"
            yield Check(
                name, many <= few + _allowed(tolerance, n), f"robust accuracy {many:.1%}, with fewer steps {few:.1%}"
            )


def _unbounded(results: Sequence[AttackResult], classes: int) -> Iterator[Check]:
    for result in _of(results, "pgd"):
        if 1.0 in result.budgets:
            left = result.robust_accuracy()[result.budgets.index(1.0)]
            yield Check(
                "an attack that may change everything brings the network to chance or below",
                left <= 1 / classes + 1e-9,
                f"{result.label} at budget 1 leaves {left:.1%}; chance is {1 / classes:.1%}",
            )


def _noise(results: Sequence[AttackResult], tolerance: float) -> Iterator[Check]:
    for noise in _of(results, "noise"):
        for result in _of(results, "fgsm", "pgd", "bim", "apgd-ce"):
            if not result.check:
                yield _weaker(noise, result, "random signs are weaker than", tolerance)


def _steps_beat_one(results: Sequence[AttackResult], tolerance: float) -> Iterator[Check]:
    for single in _of(results, "fgsm"):
        for result in _of(results, "pgd", "bim"):
            if not result.check:
                yield _weaker(single, result, "one step is no stronger than", tolerance)


def _black_box(results: Sequence[AttackResult], tolerance: float) -> Iterator[Check]:
    white = [*_of(results, "apgd-ce", "apgd-t", "pgd")]
    for black in [*_of(results, "square"), *(o for o in results if o.record["attack"] == "transfer")]:
        for result in white:
            if not result.check and set(black.budgets) & set(result.budgets):
                yield _weaker(black, result, "a black box is no stronger than", tolerance)


def _weaker(weak: AttackResult, strong: AttackResult, words: str, tolerance: float) -> Check:
    """Whether `strong` leaves no more than `weak` at every budget that both have."""
    shared = sorted(set(weak.budgets) & set(strong.budgets))
    worst, at, accuracies = -1.0, shared[0], (0.0, 0.0)
    allowed = 0.0
    for budget in shared:
        little, much, n = _at(weak, strong, budget)
        allowed = _allowed(tolerance, n)
        if much - little > worst:
            worst, at, accuracies = much - little, budget, (little, much)
    left = f"at {strong.unit.text(at)} {weak.label} leaves {accuracies[0]:.1%}, {strong.label} {accuracies[1]:.1%}"
    return Check(f"{weak.label}: {words} {strong.label}", worst <= allowed, left)


def _at(one: AttackResult, other: AttackResult, budget: float) -> tuple[float, float, int]:
    """Both robust accuracies at a budget, on the images that both have, and the number of these."""
    shared = torch.tensor(sorted(set(one.indices.tolist()) & set(other.indices.tolist())))
    first, second = (_on(o, shared)[o.budgets.index(budget)].double().mean().item() for o in (one, other))
    return first, second, len(shared)


def _on(result: AttackResult, indices: Tensor) -> Tensor:
    """Robustness, bool (budgets, n), of the images with these indices, int64 (n,)."""
    return result.robust[:, torch.isin(result.indices, indices)]


def _allowed(tolerance: float, n: int) -> float:
    return max(tolerance, 1 / n) + 1e-9


def _of(results: Sequence[AttackResult], *attacks: str, unit: Unit = LINF) -> list[AttackResult]:
    return [o for o in results if o.record["attack"] in attacks and o.unit is unit]
