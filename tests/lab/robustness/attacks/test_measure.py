"""Attacks on runs: kept batch by batch, resumed, reused only for the same thing; windowed and folded alike."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import windowconv
from attacked_networks import SHAPE, Linear, linear_target, near_grey, trained
from windowconv.algorithms import set_algorithm
from windowconv.errors import InputError
from windowconv.lab.data import ImageData
from windowconv.lab.data.subsets import stratified
from windowconv.lab.evaluations import Network
from windowconv.lab.robustness.attacks import measure
from windowconv.lab.robustness.attacks.catalogue import ATTACKS
from windowconv.lab.robustness.attacks.measure import attack_images, attack_run
from windowconv.lab.robustness.attacks.result import finished, load
from windowconv.lab.robustness.attacks.suites import Trial
from windowconv.lab.robustness.attacks.target import Target
from windowconv.lab.robustness.sample import draw, seeded
from windowconv.lab.runs.folder import Run

PGD = Trial("pgd", 40, (0.01, 0.1), {"steps": 3})


def target_of(run: Run) -> Target:
    return Target(run.model(), 16, (1, 12, 12))


def same(one: Any, other: Any) -> bool:
    names = ("indices", "clean", "broken", "examples", "example_places", "power")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def test_what_is_saved_is_what_was_found(make_run: Callable[..., Run], tiny: ImageData) -> None:
    run = make_run()
    sample = draw(tiny.test, 40)
    result = attack_run(Network(run), target_of(run), PGD, sample)
    labels = tiny.test.labels
    assert torch.equal(result.indices, stratified(labels, 16, 40, 0))
    with torch.no_grad():
        expected = run.model()(sample.images).argmax(1) == labels[result.indices]
    assert torch.equal(result.clean, expected)
    assert (result.broken | result.clean[None]).all()  # what was wrong before counts as broken
    record = json.loads((run.folder / "evaluations/attack-pgd-3-on-40.json").read_text())
    assert record["status"] == "finished"
    assert record["figures"]["n"] == record["done"] == 40
    assert record["figures"]["clean_accuracy"] == result.clean.double().mean().item()
    assert record["figures"]["robust_accuracy"] == result.robust.double().mean(1).tolist()
    assert record["identity"]["test_hash"] == run.record["data"]["test_hash"]
    assert str(run.folder.parent) not in json.dumps(record)
    assert [found.label for found in finished(run.folder)] == ["pgd-3"]
    assert same(load(run.folder, "pgd-3", 40), result)


def test_a_smaller_trial_takes_images_of_the_larger_one(make_run: Callable[..., Run], tiny: ImageData) -> None:
    run = make_run()
    sample = draw(tiny.test, 40)
    few = attack_run(Network(run), target_of(run), replace(PGD, images=15), sample)
    assert torch.equal(few.indices, stratified(tiny.test.labels, 16, 15, 0))
    assert set(few.indices.tolist()) < set(sample.indices.tolist())


def test_fewer_images_replace_no_larger_result(make_run: Callable[..., Run], tiny: ImageData) -> None:
    run, sample = make_run(), draw(tiny.test, 40)
    first = attack_run(Network(run), target_of(run), PGD, sample)
    attack_run(Network(run), target_of(run), replace(PGD, images=15), sample)
    assert load(run.folder, "pgd-3", 40).record["created"] == first.record["created"]
    assert sorted(len(result.indices) for result in finished(run.folder)) == [15, 40]


def test_a_cut_attack_goes_on_and_ends_the_same(
    make_run: Callable[..., Run], tiny: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "BATCH", 16)
    run, sample = make_run(), draw(tiny.test, 40)
    whole = attack_run(Network(run), target_of(run), PGD, sample)
    for file in (run.folder / "evaluations").glob("attack-*"):
        file.unlink()

    def stop(done: int) -> None:
        if done == 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack_run(Network(run), target_of(run), PGD, sample, tick=stop)
    assert load(run.folder, "pgd-3", 40).record["done"] == 32
    assert finished(run.folder) == []
    ticks: list[int] = []
    assert same(attack_run(Network(run), target_of(run), PGD, sample, tick=ticks.append), whole)
    assert ticks == [40]


def test_it_is_reused_for_the_same_and_made_again_for_another(make_run: Callable[..., Run], tiny: ImageData) -> None:
    run, sample = make_run(), draw(tiny.test, 40)
    first = attack_run(Network(run), target_of(run), PGD, sample)
    again = attack_run(Network(run), target_of(run), PGD, sample)
    assert again.record["created"] == first.record["created"]
    for trial, seed in ((PGD, 1), (replace(PGD, budgets=(0.02,)), 0), (replace(PGD, images=30), 0)):
        other = attack_run(Network(run), target_of(run), trial, sample, seed)
        assert other.record["created"] != first.record["created"]
        first = other
    (run.folder / "evaluations/attack-pgd-3-on-30.safetensors").write_bytes(b"damaged")
    assert attack_run(Network(run), target_of(run), trial, sample, seed).record["created"] != first.record["created"]


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in {"square", "transfer"}])
def test_windowed_and_folded_networks_fare_alike(name: str) -> None:
    torch.manual_seed(0)
    model = windowconv.convert(trained()[0].model, kernel_size=5, window="hamming").eval()
    set_algorithm(model, "direct")
    folded = windowconv.fold(model)
    images, labels = trained()[1:]
    few = {"steps": 4, "population": 10, "generations": 2}
    settings = {key: value for key, value in few.items() if key in ATTACKS[name].settings}
    budgets = ATTACKS[name].budgets[-2:]
    found = []
    for network in (model, folded):
        target = Target(network, 4, (1, 8, 8))
        found.append(attack_images(target, Trial(name, 20, budgets, settings), images[:20], labels[:20], seed=3))
    for one, other in zip(*found, strict=True):
        assert (one is None and other is None) or torch.equal(one, other)


def test_the_same_seed_gives_the_same(make_run: Callable[..., Run]) -> None:
    target, images, labels = trained()
    trial = Trial("pgd", 60, (0.03,), {"steps": 2})
    one, two, other = (attack_images(target, trial, images, labels, seed)[1] for seed in (0, 0, 1))
    assert torch.equal(one, two)
    assert one.shape == other.shape
    torch.manual_seed(5)
    before = torch.rand(3)
    torch.manual_seed(5)
    with seeded(9):
        torch.rand(7)
    assert torch.equal(torch.rand(3), before)  # what is drawn elsewhere is not disturbed


def test_a_change_beyond_the_budget_does_not_count() -> None:
    _, target, images, labels = linear_target(2)

    def cheat(target: Target, images: Tensor, labels: Tensor, budget: float, settings: Any) -> Tensor:
        return 1 - images.round()

    entry = replace(ATTACKS["fgsm"], craft=cheat)
    ATTACKS["cheat"] = replace(entry, name="cheat")
    try:
        _, broken, _ = attack_images(target, Trial("cheat", 40, (0.01,)), images, labels)
    finally:
        del ATTACKS["cheat"]
    assert not broken.any()


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (near_grey(3) + 1, torch.zeros(3).long(), "images reach from .* allowed: 0 to 1"),
        (near_grey(3) * float("nan"), torch.zeros(3).long(), "nan"),
        ((near_grey(3) * 255).to(torch.uint8), torch.zeros(3).long(), r"torch.uint8; allowed: floats \(N, 1, 6, 6\)"),
        (near_grey(3)[:, :, :4], torch.zeros(3).long(), r"\(3, 1, 4, 6\)"),
        (near_grey(0), torch.zeros(0).long(), "no image"),
        (near_grey(3), torch.zeros(3), "labels: .* allowed: int64"),
        (near_grey(3), torch.tensor([0, 1, 2]), "labels reach from 0 to 2; allowed: 0 to 1"),
    ],
)
def test_bad_images(images: Tensor, labels: Tensor, says: str) -> None:
    with pytest.raises(InputError, match=says):
        attack_images(Target(Linear(2), 2, SHAPE), Trial("fgsm", 3), images, labels)


def test_the_callers_network_stays_as_it_is() -> None:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(300, 3)
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    target = Target(model, 3, (1, 12, 12))
    attack_images(target, Trial("fgsm", 4, (0.1,)), torch.rand(4, 1, 12, 12), torch.tensor([0, 1, 2, 0]))
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_probabilities_are_refused() -> None:
    images, labels = torch.rand(4, 1, 12, 12), torch.tensor([0, 1, 2, 0])
    layers = [torch.nn.Flatten(), torch.nn.Linear(144, 3)]
    for last in (torch.nn.Identity(), torch.nn.Sigmoid(), torch.nn.LogSoftmax(1)):  # none of them sums to 1
        attack_images(Target(torch.nn.Sequential(*layers, last), 3, (1, 12, 12)), PGD, images, labels)
    with pytest.raises(InputError, match=r"puts out probabilities .*; allowed: scores, so leave out its softmax"):
        attack_images(Target(torch.nn.Sequential(*layers, torch.nn.Softmax(1)), 3, (1, 12, 12)), PGD, images, labels)
    with pytest.raises(InputError, match=r"output has shape \(4, 3\); allowed: \(N, 4\)"):
        attack_images(Target(torch.nn.Sequential(*layers), 4, (1, 12, 12)), PGD, images, labels)
