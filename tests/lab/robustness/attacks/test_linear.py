"""A linear network's smallest changes are known in closed form, and the attacks find them."""

import pytest
import torch

from attacked_networks import distances, linear_target
from windowconv.lab.robustness.attacks.measure import attack_images
from windowconv.lab.robustness.attacks.suites import Trial


@pytest.mark.parametrize("attack", ["fgsm", "bim", "pgd", "apgd-ce"])
def test_linf_attacks_break_exactly_what_is_nearer_than_the_budget(attack: str) -> None:
    model, target, images, labels = linear_target(2)
    exact = distances(model, images, labels, 1)
    budget = exact.median().item() * 1.001
    settings = {"steps": 20} if attack != "fgsm" else {}
    clean, broken, distance = attack_images(target, Trial(attack, 40, (budget,), settings), images, labels)
    assert clean.all()
    assert distance is None
    sure = (exact - budget).abs() > 0.01 * budget  # an iterative attack ends within a hair of the edge of its ball
    assert sure.sum() > 30
    assert torch.equal(broken[0][sure], (exact < budget)[sure])


@pytest.mark.parametrize("attack", ["apgd-t", "fab-t"])
def test_targeted_linf_attacks_find_the_nearest_of_several_classes(attack: str) -> None:
    model, target, images, labels = linear_target(5)
    exact = distances(model, images, labels, 1)
    budget = exact.median().item()
    _, broken, _ = attack_images(target, Trial(attack, 40, (budget,), {"steps": 40}), images, labels)
    sure = (exact - budget).abs() > 0.03 * budget
    assert torch.equal(broken[0][sure], (exact < budget)[sure])


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize(("attack", "slack"), [("deepfool", 0.021), ("cw", 0.15)])
def test_l2_attacks_find_the_smallest_distance(attack: str, slack: float, classes: int) -> None:
    model, target, images, labels = linear_target(classes)
    exact = distances(model, images, labels, 2)
    settings = {"searches": 7, "steps": 30} if attack == "cw" else {}
    _, broken, distance = attack_images(target, Trial(attack, 40, (0.05, 0.2), settings), images, labels)
    assert distance is not None
    assert (distance >= exact * 0.999).all()  # no attack can do better
    assert (distance <= exact * (1 + slack) + 1e-4).double().mean() >= 0.75  # the toolbox's cw finds none for a few
    assert distance.median().item() == pytest.approx(exact.median().item(), rel=slack, abs=1e-4)
    assert torch.equal(broken, torch.stack([distance <= 0.05, distance <= 0.2]))


def test_pgd_l2_breaks_what_is_nearer_than_the_budget() -> None:
    model, target, images, labels = linear_target(2)
    exact = distances(model, images, labels, 2)
    budget = exact.median().item()
    _, broken, _ = attack_images(target, Trial("pgd-l2", 40, (budget,)), images, labels)
    sure = (exact - budget).abs() > 0.02 * budget
    assert torch.equal(broken[0][sure], (exact < budget)[sure])


@pytest.mark.parametrize(("attack", "classes"), [("apgd-ce-l2", 2), ("apgd-t-l2", 5)])
def test_apgd_in_l2_breaks_what_is_nearer_than_the_budget(attack: str, classes: int) -> None:
    model, target, images, labels = linear_target(classes)
    exact = distances(model, images, labels, 2)
    budget = exact.median().item()
    _, broken, _ = attack_images(target, Trial(attack, 40, (budget,), {"steps": 40}), images, labels)
    sure = (exact - budget).abs() > 0.03 * budget
    assert torch.equal(broken[0][sure], (exact < budget)[sure])


def test_square_is_no_stronger_than_the_truth_and_finds_some() -> None:
    model, target, images, labels = linear_target(5)
    exact = distances(model, images, labels, 1)
    budget = 2 * exact.median().item()
    _, broken, _ = attack_images(target, Trial("square", 40, (budget,), {"queries": 1000}), images, labels)
    assert not broken[0][exact > budget * 1.001].any()
    assert broken[0][exact < 0.5 * budget].double().mean() > 0.8


def test_noise_rarely_reaches_what_a_gradient_does() -> None:
    model, target, images, labels = linear_target(2)
    budget = 1.2 * distances(model, images, labels, 1).max().item()
    trials = (Trial("noise", 40, (budget,)), Trial("fgsm", 40, (budget,)))
    shares = [attack_images(target, trial, images, labels)[1].double().mean().item() for trial in trials]
    assert shares[1] == 1.0
    assert shares[0] < 0.5
