"""Learning rates: the paper's schedules, and torch's own schedulers as references."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, SequentialLR

from windowconv.lab.config import Training
from windowconv.lab.recipes import find_recipe
from windowconv.lab.training.schedule import learning_rate

STEPS = 60


def by_torch(lr: float, make: Callable[[torch.optim.Optimizer], LRScheduler]) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make(optimizer)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of SequentialLR
        for _ in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return rates


def ours(**settings: Any) -> list[float]:
    config = Training(epochs=6, lr=0.4, **settings)
    return [learning_rate(config, step, STEPS) for step in range(STEPS)]


def test_one_cycle_is_torchs() -> None:
    expected = by_torch(0.4, lambda o: OneCycleLR(o, 0.4, total_steps=STEPS + 1, cycle_momentum=False))
    # torch counts one step more than it takes, or it would raise
    config = Training(epochs=6, lr=0.4, schedule="one-cycle")
    assert [learning_rate(config, step, STEPS + 1) for step in range(STEPS)] == pytest.approx(expected, rel=1e-9)


def test_cosine_is_torchs() -> None:
    assert ours(schedule="cosine") == pytest.approx(by_torch(0.4, lambda o: CosineAnnealingLR(o, STEPS)), rel=1e-9)


def test_the_warm_up_is_linear_by_step_and_the_rest_follows() -> None:
    def make(optimizer: torch.optim.Optimizer) -> LRScheduler:
        rise = LinearLR(optimizer, 1 / 10, 1.0, total_iters=9)
        return SequentialLR(optimizer, [rise, CosineAnnealingLR(optimizer, STEPS - 10)], [10])

    assert ours(schedule="cosine", warmup_epochs=1) == pytest.approx(by_torch(0.4, make), rel=1e-9)
    rates = ours(warmup_epochs=0.5)
    assert rates[:6] == pytest.approx([0.08, 0.16, 0.24, 0.32, 0.4, 0.4])


def test_a_warm_up_longer_than_the_first_milestone_still_rises() -> None:
    rates = ours(warmup_epochs=4, milestones=(0.5,))
    assert rates[39] == pytest.approx(0.4)
    assert rates[40] == pytest.approx(0.04)


@pytest.mark.parametrize("steps_an_epoch", [1, 5005, 1_281])
def test_the_papers_imagenet_schedule(steps_an_epoch: int) -> None:
    training = find_recipe("imagenet-resnet18-paper").training
    steps = 90 * steps_an_epoch
    by_epoch = [learning_rate(training, epoch * steps_an_epoch, steps) for epoch in range(5, 90)]
    assert by_epoch == pytest.approx([0.1] * 25 + [0.01] * 30 + [0.001] * 20 + [0.0001] * 10)
    assert learning_rate(training, 30 * steps_an_epoch - 1, steps) == pytest.approx(0.1)
    assert learning_rate(training, 0, steps) == pytest.approx(0.1 / (5 * steps_an_epoch))


@pytest.mark.parametrize("schedule", ["steps", "cosine", "one-cycle"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_very_short_runs_have_finite_rates(schedule: Any, steps: int) -> None:
    config = Training(epochs=1, lr=0.4, schedule=schedule)
    rates = [learning_rate(config, step, steps) for step in range(steps)]
    assert all(0 <= rate <= 0.4 + 1e-12 for rate in rates)
    assert max(rates) > 0


def test_triangular_is_a_line_up_and_a_line_down() -> None:
    """NumPy's interpolation between the three corners."""
    top = int(0.23 * STEPS)
    expected = 0.4 * np.interp(np.arange(STEPS), [0, top, STEPS], [0.2, 1, 0.07])
    assert ours(schedule="triangular") == pytest.approx(expected.tolist(), rel=1e-12)
    assert all(learning_rate(Training(schedule="triangular"), 0, steps) > 0 for steps in (1, 2, 3))
