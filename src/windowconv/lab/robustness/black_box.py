"""Attacks without gradients: noise, which is no attack but what attacks must beat, and few pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from windowconv.lab.robustness.attack import Attack, Settings
from windowconv.lab.robustness.gradient_attacks import generate
from windowconv.lab.robustness.norms import LINF, LINF_GRID, PIXELS
from windowconv.lab.robustness.target import Target, art_attacks


def _noise(target: Target, images: Tensor, labels: Tensor, budget: float, settings: Settings) -> Tensor:
    signs = torch.randint(0, 2, images.shape) * 2.0 - 1
    return (images + budget * signs).clamp(0, 1)


def _pixels(target: Target, images: Tensor, labels: Tensor, budget: float, settings: Settings) -> Tensor:
    attack = art_attacks().PixelAttack(target.art, th=int(budget), es=1, max_iter=settings["generations"])
    return generate(attack, images, labels, target.classes)


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
    source="no attack: the yardstick that an attack must beat",
)

ONE_PIXEL = Attack(
    name="one-pixel",
    title="one pixel (differential evolution)",
    unit=PIXELS,
    kind="budget",
    access="scores",
    iterative=True,
    budgets=(1,),
    craft=_pixels,
    cost=lambda settings, _: (400 * (settings["generations"] + 1), 0),
    settings={"generations": 10},
    source="Su et al., One pixel attack for fooling deep neural networks, IEEE TEVC 2019",
)
