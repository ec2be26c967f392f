"""All attacks by name."""

from __future__ import annotations

from windowconv.errors import unknown
from windowconv.lab.robustness.attacks.attack import Attack
from windowconv.lab.robustness.attacks.auto_attack import AUTO_ATTACK
from windowconv.lab.robustness.attacks.gradient_attacks import GRADIENT_ATTACKS
from windowconv.lab.robustness.attacks.noise import NOISE
from windowconv.lab.robustness.attacks.one_pixel import ONE_PIXEL
from windowconv.lab.robustness.attacks.spatial import SPATIAL

ATTACKS: dict[str, Attack] = {
    attack.name: attack for attack in (*GRADIENT_ATTACKS, SPATIAL, ONE_PIXEL, *AUTO_ATTACK, NOISE)
}


def find_attack(name: str) -> Attack:
    """The attack of this name; an `InputError` suggests the nearest."""
    if name not in ATTACKS:
        raise unknown("attack", name, ATTACKS)
    return ATTACKS[name]
