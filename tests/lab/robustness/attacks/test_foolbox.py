"""The toolbox's attacks against foolbox's on the same trained network."""

import warnings
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from attacked_networks import trained
from windowconv.lab.robustness.attacks.measure import attack_images
from windowconv.lab.robustness.attacks.suites import Trial
from windowconv.lab.robustness.attacks.target import Target

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    foolbox: Any = import_module("foolbox")

TOLERANCE = 0.05
"""Of success rates, for attacks that start at random: three of sixty images."""


@pytest.fixture(scope="module")
def network() -> tuple[Target, Tensor, Tensor]:
    target, images, labels = trained()
    assert (target.predict(images) == labels).double().mean() > 0.9
    return target, images, labels


def foolbox_broken(attack: Any, network: tuple[Target, Tensor, Tensor], budgets: tuple[float, ...]) -> Tensor:
    target, images, labels = network
    model = foolbox.PyTorchModel(target.model, bounds=(0, 1), device="cpu")
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, _, success = attack(model, images, labels, epsilons=list(budgets))
    return success


@pytest.mark.parametrize("budget", [0.08, 0.1, 0.15])
def test_fgsm_breaks_the_same_images(network: tuple[Target, Tensor, Tensor], budget: float) -> None:
    theirs = foolbox_broken(foolbox.attacks.LinfFastGradientAttack(), network, (budget,))[0]
    clean, ours, _ = attack_images(network[0], Trial("fgsm", 60, (budget,)), *network[1:])
    assert torch.equal(ours[0], theirs | ~clean)
    assert 0.05 < ours.double().mean() < 0.95


@pytest.mark.parametrize("budget", [0.08, 0.1])
def test_pgd_breaks_as_many(network: tuple[Target, Tensor, Tensor], budget: float) -> None:
    attack = foolbox.attacks.LinfPGD(steps=20, abs_stepsize=2.5 * budget / 20)
    theirs = foolbox_broken(attack, network, (budget,))[0].double().mean().item()
    _, ours, _ = attack_images(network[0], Trial("pgd", 60, (budget,)), *network[1:])
    assert ours.double().mean().item() == pytest.approx(theirs, abs=TOLERANCE)
    assert 0.05 < theirs < 0.95


def test_pgd_l2_breaks_as_many(network: tuple[Target, Tensor, Tensor]) -> None:
    attack = foolbox.attacks.L2PGD(steps=20, abs_stepsize=2.5 * 0.7 / 20)
    theirs = foolbox_broken(attack, network, (0.7,))[0].double().mean().item()
    _, ours, _ = attack_images(network[0], Trial("pgd-l2", 60, (0.7,)), *network[1:])
    assert ours.double().mean().item() == pytest.approx(theirs, abs=TOLERANCE)
    assert 0.05 < theirs < 0.95


def test_the_median_smallest_distance_is_foolboxs(network: tuple[Target, Tensor, Tensor]) -> None:
    target, images, labels = network
    model = foolbox.PyTorchModel(target.model, bounds=(0, 1), device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        attack = foolbox.attacks.L2DeepFoolAttack(steps=50, candidates=4, overshoot=0.02, loss="logits")
        _, found, success = attack(model, images, labels, epsilons=[None])
    clean, _, distance = attack_images(target, Trial("deepfool", 60), images, labels)
    assert distance is not None
    sizes = torch.linalg.vector_norm((found[0] - images).flatten(1), dim=1)
    right = clean & success[0]
    assert distance[right].median().item() == pytest.approx(sizes[right].median().item(), rel=0.05)
