"""L1 and dropout, which windows are compared with."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from windowconv.errors import InputError
from windowconv.lab.config import RunConfig, Training
from windowconv.lab.models.build import small_network
from windowconv.lab.models.replicas import Alone, Stacked
from windowconv.lab.recipes import find_recipe
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.optimizer import add_l1

MakeRun = Callable[..., Run]


def test_l1_is_the_gradient_of_the_sum_of_absolute_weights() -> None:
    networks = [small_network("5x5-learnable-cosine", 4, 1, depth=2, width=2) for _ in range(2)]
    for replicas in (Alone(networks[0]), Stacked(networks)):
        parameters = dict(replicas.networks[0].named_parameters())
        for _, part in replicas.parts(0):
            part.whole.grad = torch.zeros_like(part.whole)
        add_l1(replicas, 0.25)
        for name, part in replicas.parts(0):
            weights = part.whole.detach().clone().requires_grad_()
            (0.25 * weights.abs().sum()).backward()
            counts = parameters[name].ndim > 1 and "learnable" not in name
            expected = weights.grad if counts else torch.zeros_like(weights)
            assert part.whole.grad is not None
            assert expected is not None
            torch.testing.assert_close(part.whole.grad, expected)
        assert {name for name, _ in replicas.parts(0)} >= {"0.weight", "1.bias", "8.weight"}


def test_l1_makes_weights_small(make_run: MakeRun) -> None:
    def size(run: Run) -> float:
        return sum(m.weight.abs().sum().item() for m in run.model().modules() if isinstance(m, nn.Conv2d | nn.Linear))

    plain = size(make_run(epochs=6, weight_decay=0.0))
    assert size(make_run(epochs=6, weight_decay=0.0, seed=0, l1=0.02)) < 0.8 * plain


def test_dropout_is_before_the_last_layer_and_comes_back_with_the_run(make_run: MakeRun) -> None:
    run = make_run(dropout=0.4)
    layers = list(run.model().children())
    assert [type(layer) for layer in layers[-2:]] == [nn.Dropout, nn.Linear]
    assert layers[-2].p == 0.4
    plain = make_run(arm="5x5", dropout=0.0)
    assert not any(isinstance(layer, nn.Dropout) for layer in plain.model().modules())
    assert run.record["config"]["dropout"] == 0.4


def test_dropout_draws_the_same_in_every_attempt(make_run: MakeRun) -> None:
    first = make_run(dropout=0.4).metrics("epoch")
    again = make_run(dropout=0.4, arm="3x3").metrics("epoch")
    key = "train_loss"
    assert [line[key] for line in first] == [line[key] for line in again]


def test_settings_that_came_later_leave_earlier_hashes_alone() -> None:
    training = find_recipe("fashion-mnist-small").training
    config = RunConfig(**vars(training), data="fashion-mnist", arm="3x3", seed=0)
    assert config.config_hash == "a3fce14272f72b2e"
    assert replace(config, l1=1e-4).config_hash != config.config_hash
    assert replace(config, dropout=0.1).config_hash != config.config_hash


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"l1": -1.0}, "l1=-1.0; allowed: a finite number, 0 or more"),
        ({"dropout": 1.0}, "dropout=1.0; allowed: 0 or more, and less than 1"),
    ],
)
def test_wrong_values_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Training(**changes)
