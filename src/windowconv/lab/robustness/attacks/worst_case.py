"""The pointwise worst case: an image counts as withstood only if it withstood every attack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.lab.robustness.attacks.noise import NOISE
from windowconv.lab.robustness.attacks.norms import Unit
from windowconv.lab.robustness.attacks.result import AttackResult


@dataclass(frozen=True)
class WorstCase:
    """All attacks of one unit together.

    Attributes:
        unit: of the budgets.
        budgets: of all the attacks, ascending.
        robust: bool (budgets, N), withstood every attack at every budget up to this one.
        clean: bool (N,), classified correctly before the attacks.
        attacks: their labels.
    """

    unit: Unit
    budgets: tuple[float, ...]
    robust: Tensor
    clean: Tensor
    attacks: tuple[str, ...]


def worst_case(results: Sequence[AttackResult], unit: Unit) -> WorstCase | None:
    """The pointwise worst case of the attacks of a unit, without checks and random noise; None if there are none.

    A perturbation that breaks an image at one budget is allowed at every larger one, and breaks it there too. So an
    attack says something about all budgets from its smallest on.

    Args:
        results: of attacks on the same images of one run.
        unit: whose attacks count.

    Raises:
        InputError: attacks on different images.

    Source: Carlini et al., On evaluating adversarial robustness, 2019, section 4 ("report per-example attack
    success: the minimum over attacks").
    """
    attacks = [result for result in results if result.record["attack"] != NOISE.name and not result.check]
    chosen = [result for result in attacks if result.unit is unit]
    if not chosen:
        return None
    first = chosen[0]
    for other in chosen[1:]:
        if not torch.equal(other.indices, first.indices):
            raise InputError(
                f"the attacks {first.label!r} and {other.label!r} were tried on different images "
                f"({len(first.indices)} and {len(other.indices)}); run both on the same number"
            )
    budgets = tuple(sorted({budget for result in chosen for budget in result.budgets}))
    clean = torch.stack([result.clean for result in chosen]).all(0)
    robust = clean.repeat(len(budgets), 1)
    for i, budget in enumerate(budgets):
        for result in chosen:
            robust[i] &= ~broken_up_to(result, budget)
    return WorstCase(unit, budgets, robust, clean, tuple(result.label for result in chosen))


def broken_up_to(result: AttackResult, budget: float) -> Tensor:
    """bool (N,): whether the attack broke the image at this or a smaller budget."""
    if result.distance is not None:
        return result.distance <= budget
    tried = [i for i, each in enumerate(result.budgets) if each <= budget * (1 + 1e-9)]
    return result.broken[tried].any(0) | ~result.clean
