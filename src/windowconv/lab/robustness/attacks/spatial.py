"""Rotations and shifts: the worst of a grid, for each image by itself."""

from __future__ import annotations

from itertools import product

import numpy as np
from torch import Tensor

from windowconv.lab.robustness.attacks.attack import Attack, Settings
from windowconv.lab.robustness.attacks.norms import DEGREES
from windowconv.lab.robustness.attacks.target import Target

SHIFT = 0.1 / 30
"""The largest shift, as a share of the side, for each degree of rotation: 10 % at 30 degrees."""


def transformations(budget: float, side: int, angles: int, shifts: int) -> list[tuple[float, int, int]]:
    """The grid of transformations for a budget in degrees: (degrees, pixels down, pixels right), without the identity.

    >>> transformations(30, 32, 3, 1)
    [(-30.0, 0, 0), (30.0, 0, 0)]
    """
    most = budget * SHIFT * side
    steps = sorted({round(shift) for shift in np.linspace(-most, most, shifts)}) if shifts > 1 else [0]
    turns = np.linspace(-budget, budget, angles).tolist() if angles > 1 else [0.0]
    return [each for each in product(turns, steps, steps) if each != (0.0, 0, 0)]


def _spatial(target: Target, images: Tensor, labels: Tensor, budget: float, settings: Settings) -> Tensor:
    """The toolbox's own attack looks for one transformation for all images, a much weaker adversary."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.functional import affine

    found, left = images.clone(), target.predict(images) == labels
    for angle, down, right in transformations(budget, images.shape[2], settings["angles"], settings["shifts"]):
        places = left.nonzero()[:, 0]
        if not len(places):
            break
        moved = affine(
            images[places], angle, [right, down], scale=1.0, shear=[0.0], interpolation=InterpolationMode.BILINEAR
        ).clamp(0, 1)
        fooled = target.predict(moved) != labels[places]
        found[places[fooled]] = moved[fooled]
        left[places[fooled]] = False
    return found


SPATIAL = Attack(
    name="spatial",
    title="rotation and shift",
    unit=DEGREES,
    kind="budget",
    access="scores",
    iterative=False,
    budgets=(5.0, 10.0, 15.0, 20.0, 30.0),
    craft=_spatial,
    cost=lambda settings, _: (0.7 * settings["angles"] * settings["shifts"] ** 2, 0),
    settings={"angles": 7, "shifts": 3},
    source="Engstrom et al., Exploring the landscape of spatial robustness, ICML 2019",
)
