"""Random signs: no attack, but a baseline that attacks must beat."""

from __future__ import annotations

import torch
from torch import Tensor

from windowconv.lab.robustness.attacks.attack import Attack, Settings
from windowconv.lab.robustness.attacks.norms import LINF, LINF_GRID
from windowconv.lab.robustness.attacks.target import Target


def _noise(target: Target, images: Tensor, labels: Tensor, budget: float, settings: Settings) -> Tensor:
    signs = torch.randint(0, 2, images.shape) * 2.0 - 1
    return (images + budget * signs).clamp(0, 1)


NOISE = Attack(
    name="noise",
    title="random signs",
    unit=LINF,
    kind="budget",
    access="none",
    iterative=False,
    budgets=LINF_GRID,
    craft=_noise,
    cost=lambda *_: (1, 0),
    source="No attack: the baseline that attacks must beat",
)
