"""Adversarial training: the attack against others' attacks, the step against one spelt out, and what it is good for."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.lab.config import Execution, RunConfig
from windowconv.lab.data import Batch, DeviceLoader, ImageData, ImageSet
from windowconv.lab.models.build import small_network
from windowconv.lab.models.replicas import Alone
from windowconv.lab.progress import Progress
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.adversarial import Adversary, pgd, random_start
from windowconv.lab.training.distributed import Ranks
from windowconv.lab.training.train import train

Make = Callable[..., Run]


def gradient(network: nn.Module, labels: Tensor, images: Tensor) -> Tensor:
    images = images.detach().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(network(images), labels), images)[0]


@given(
    budget=st.floats(0, 1),
    step=st.floats(0.001, 2),
    steps=st.integers(0, 8),
    seed=st.integers(0, 99),
    odd=st.booleans(),
)
def test_of_a_linear_loss_it_finds_the_farthest_corner(
    budget: float, step: float, steps: int, seed: int, odd: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(3, 1, 4, 4, generator=generator, dtype=torch.float64)
    start = budget * (2 * torch.rand(images.shape, generator=generator, dtype=torch.float64) - 1)
    slope = torch.randn(images.shape, generator=generator, dtype=torch.float64)
    if odd:
        slope.flatten()[::3] = torch.tensor([0.0, math.nan, math.inf, -math.inf]).repeat(4)
    found = pgd(lambda _: slope, images, start, budget, step, steps)
    assert (found - images).abs().max() <= budget + 1e-12
    assert found.min() >= 0
    assert found.max() <= 1
    way = slope.nan_to_num(0).sign()
    expected = (images + torch.where(way == 0, start, budget * way)).clamp(0, 1)
    if steps * step >= 2 * budget:
        torch.testing.assert_close(found, expected)
    moved = ((found - (images + start).clamp(0, 1)) * way)[way != 0]
    assert moved.min() >= -1e-12
    assert moved.max() <= steps * step + 1e-12


@pytest.fixture
def target(make_run: Make, tiny: ImageData) -> tuple[nn.Module, Tensor, Tensor]:
    """A trained network, 32 test images and their labels."""
    images = tiny.test.take(32)
    return make_run(epochs=4, width=8).model(), images.images / 255, images.labels  # pyright: ignore[reportAttributeAccessIssue]


def foolbox_pgd(network: nn.Module, images: Tensor, labels: Tensor, budget: float, **how: Any) -> Tensor:
    foolbox = pytest.importorskip("foolbox")
    attack = foolbox.attacks.LinfProjectedGradientDescentAttack(**how)
    model = foolbox.PyTorchModel(network.eval(), bounds=(0, 1), device="cpu")
    return attack.run(model, images, foolbox.criteria.Misclassification(labels), epsilon=budget)


@pytest.mark.parametrize(("steps", "factor"), [(7, 0.25), (1, 1.25)])
def test_without_a_random_start_it_is_foolboxs(
    steps: int, factor: float, target: tuple[nn.Module, Tensor, Tensor]
) -> None:
    network, images, labels = target
    budget = 0.05
    found = pgd(partial(gradient, network, labels), images, torch.zeros_like(images), budget, factor * budget, steps)
    how: dict[str, Any] = {"abs_stepsize": factor * budget, "steps": steps, "random_start": False}
    torch.testing.assert_close(found, foolbox_pgd(network, images, labels, budget, **how), rtol=0, atol=1e-6)
    before, after = (F.cross_entropy(network(x), labels) for x in (images, found))
    assert after > before + 0.01


@pytest.mark.slow
def test_without_a_random_start_it_is_the_toolboxs(target: tuple[nn.Module, Tensor, Tensor]) -> None:
    pytest.importorskip("art")  # ten seconds and more
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    network, images, labels = target
    shape: Any = tuple(images.shape[1:])
    classifier = PyTorchClassifier(network, nn.CrossEntropyLoss(), shape, 16, clip_values=(0, 1), device_type="cpu")
    how: dict[str, Any] = {"max_iter": 7, "num_random_init": 0, "batch_size": 32, "verbose": False}
    attack = ProjectedGradientDescentPyTorch(classifier, eps=0.05, eps_step=0.0125, **how)
    expected = torch.from_numpy(attack.generate(images.numpy(), labels.numpy()))
    found = pgd(partial(gradient, network, labels), images, torch.zeros_like(images), 0.05, 0.0125, 7)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_the_start_depends_on_seed_step_and_image_alone() -> None:
    batch = Batch(torch.rand(4, 3, 5, 6), torch.zeros(4), torch.tensor([7, 1, 30, 2]), 4)
    start = random_start(batch, 0.1, seed=3, step=5)
    assert start.shape == (4, 3, 5, 6)
    assert start.abs().max() <= 0.1
    assert start.min() < -0.09
    assert start.max() > 0.09
    half = batch._replace(images=batch.images[1:3], indices=batch.indices[1:3])
    assert torch.equal(random_start(half, 0.1, seed=3, step=5), start[1:3])
    for other in (random_start(batch, 0.1, seed=4, step=5), random_start(batch, 0.1, seed=3, step=6)):
        assert not (other == start).any()


@pytest.mark.parametrize(
    ("changes", "steps", "length"),
    [
        ({"adversarial": "pgd", "adversarial_budget": 0.1, "adversarial_steps": 3}, 3, 0.025),
        ({"adversarial": "pgd", "adversarial_steps": 2, "adversarial_step_size": 0.8}, 2, 0.8 * 8 / 255),
        ({"adversarial": "fgsm", "adversarial_budget": 0.1, "channels_last": False}, 1, 0.125),
    ],
)
def test_a_step_is_taken_on_what_the_attack_on_the_evaluated_network_makes(
    changes: dict[str, Any], steps: int, length: float, make_run: Make, tiny: ImageData
) -> None:
    run = make_run("5x5", batch_size=35, epochs=1, momentum=0.0, milestones=(), augment="none", **changes)
    budget = run.config.adversarial_budget
    torch.manual_seed(0)
    network = small_network("5x5", 16, 1, 2, run.config.width)
    optimizer = torch.optim.SGD(network.parameters(), lr=run.config.lr, weight_decay=run.config.weight_decay)
    loader = DeviceLoader(tiny.train, 35, seed=0)
    for step, batch in enumerate(loader.epoch(0)):
        start = random_start(batch, budget, 0, step)
        network.eval()
        x = (batch.images + start).clamp(0, 1)
        for _ in range(steps):
            x = x + length * gradient(network, batch.labels, x).sign()
            x = (batch.images + (x - batch.images).clamp(-budget, budget)).clamp(0, 1)
        network.train()
        optimizer.zero_grad()
        F.cross_entropy(network(x), batch.labels).backward()
        optimizer.step()
    expected = network.state_dict()
    for key, value in load_file(run.weights).items():
        torch.testing.assert_close(value, expected[key], rtol=1e-3, atol=1e-5, msg=lambda m, k=key: f"{k}: {m}")


def test_an_attack_leaves_the_network_as_it_was_and_images_apart(tiny: ImageData) -> None:
    torch.manual_seed(0)
    network = small_network("5x5-hamming", 16, 1, 2, 4)
    network[0].weight.requires_grad_(False)
    batch = next(iter(DeviceLoader(tiny.train, 16, seed=0).epoch(0)))
    replicas, before = Alone(network).train(), {k: v.clone() for k, v in network.state_dict().items()}
    found = []
    for accumulate in (1, 3):
        config = RunConfig(adversarial="pgd", accumulate=accumulate)
        found.append(
            Adversary([config], replicas, Ranks(Execution())).attack([batch], batch.images[None], batch.labels[None], 4)
        )
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-6)
    assert found[0].shape == (1, *batch.images.shape)
    assert not found[0].requires_grad
    assert 7 / 255 < (found[0][0] - batch.images).abs().max() <= 8 / 255 + 1e-6
    assert replicas.training
    assert network[1].training
    assert [name for name, p in network.named_parameters() if not p.requires_grad] == ["0.weight"]
    assert all(p.grad is None for p in network.parameters())
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def coarse_and_fine(n: int, seed: int) -> ImageSet:
    """Two classes: brightness tells nine images of ten, a faint checkerboard all (as in Tsipras et al., ICLR 2019)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    sign = (2.0 * labels - 1).view(-1, 1, 1, 1)
    coarse = torch.where(torch.rand(n, 1, 1, 1, generator=generator) < 0.9, sign, -sign)
    fine = sign * (-1.0) ** (torch.arange(8)[:, None] + torch.arange(8))
    images = 0.5 + 0.2 * coarse + 0.04 * fine + 0.02 * torch.randn(n, 1, 8, 8, generator=generator)
    return ImageSet((255 * images.clamp(0, 1)).round().to(torch.uint8), labels, ("dark", "bright"))


def test_what_is_trained_on_attacks_withstands_them(tmp_path: Path) -> None:
    budget = 0.08  # the checkerboard and its opposite differ by as much
    train_images, test = coarse_and_fine(256, 0), coarse_and_fine(100, 1)
    settings: dict[str, Any] = {"depth": 2, "width": 4, "epochs": 4, "batch_size": 16, "lr": 0.1, "augment": "none"}
    settings |= {"algorithm": "direct", "adversarial_budget": budget, "adversarial_steps": 3}
    clean, robust = {}, {}
    for kind in ("none", "pgd", "fgsm"):
        data = ImageData("checks", train_images, test)
        network = train(RunConfig(**settings, adversarial=kind), data, tmp_path / kind, Progress()).model()
        how: dict[str, Any] = {"abs_stepsize": 0.25 * budget, "steps": 20, "random_start": False}
        attacked = foolbox_pgd(network, test.images / 255, test.labels, budget, **how)
        for found, images in ((clean, test.images / 255), (robust, attacked)):
            found[kind] = (network(images).argmax(1) == test.labels).float().mean().item()
    assert clean["none"] > 0.97
    assert robust["none"] < 0.3
    assert min(robust["pgd"], robust["fgsm"]) > 0.8


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # by the compiler
def test_it_goes_with_a_compiled_network(make_run: Make) -> None:
    changes: dict[str, Any] = {"adversarial": "pgd", "adversarial_steps": 2, "algorithm": "direct", "epochs": 1}
    plain, compiled = (
        load_file(make_run("5x5-hamming", compile=choice, **changes).weights) for choice in (False, True)
    )
    for key, value in plain.items():
        torch.testing.assert_close(compiled[key], value, rtol=1e-3, atol=1e-5, msg=lambda m, k=key: f"{k}: {m}")
