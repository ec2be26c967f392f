"""Optimisers that were made before a conversion in place: told of it, or noticed at their next step."""

import copy
import gc
import warnings
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn import functional as F

from tolerances import assert_close
from windowconv.conversion import convert
from windowconv.errors import InputError, WindowWarning
from windowconv.folding import fold
from windowconv.learnable import LearnableWindow

quiet = pytest.mark.filterwarnings("ignore:.*(nearly closes|amplifies).*")
OPTIMIZERS = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1),
    "momentum": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=0.01),
    "adam": lambda groups: torch.optim.AdamW(groups, lr=0.01),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=0.01, momentum=0.9),
    "adafactor": lambda groups: torch.optim.Adafactor(groups, lr=0.01),
}


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 5, padding=2)
    ).double()


def groups(model: nn.Module) -> list[dict]:
    """Two groups: weights, and the rest with settings of their own."""
    weights = [p for n, p in model.named_parameters() if n.endswith("weight")]
    return [{"params": weights}, {"params": [p for p in model.parameters() if p.ndim == 1], "lr": 0.02}]


def step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int = 0) -> None:
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()


def held(optimizer: torch.optim.Optimizer) -> list[list[int]]:
    return [[id(p) for p in group["params"]] for group in optimizer.param_groups]


@quiet
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimiser_trains_what_a_new_one_would(name):
    """The oracle: an optimiser made afterwards, with the old state of the parameters that stayed."""
    model = network()
    optimizer = OPTIMIZERS[name](groups(model))
    step(model, optimizer)
    kept = [model[2].weight, model[0].bias]
    state = [copy.deepcopy(optimizer.state.get(p)) for p in kept]
    loss = model(torch.rand(1, 3, 8, 8, dtype=torch.float64)).sum()  # a graph that lives on must not matter
    convert(model, kernel_size={3: 7}, window=LearnableWindow(), inplace=True, optimizer=optimizer)
    assert loss.requires_grad
    assert [optimizer.state.get(p) is not None for p in kept] == [bool(s) or s is not None for s in state]
    for p, s in zip(kept, state, strict=True):
        for key, value in (s or {}).items():
            assert value is None or torch.equal(torch.as_tensor(optimizer.state[p][key]), torch.as_tensor(value))
    first, middle, last = model[0], model[2], model[3]
    weights = [first.weight, first.learnable_window.raw, middle.weight, last.weight, last.learnable_window.raw]
    expected = [weights, [first.bias, middle.bias, last.bias]]
    assert held(optimizer) == [[id(p) for p in group] for group in expected]
    assert optimizer.param_groups[1]["lr"] == 0.02

    twin = copy.deepcopy(model)
    first, middle, last = twin[0], twin[2], twin[3]
    weights = [first.weight, first.learnable_window.raw, middle.weight, last.weight, last.learnable_window.raw]
    new = OPTIMIZERS[name]([{"params": weights}, {"params": [first.bias, middle.bias, last.bias], "lr": 0.02}])
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        if p in optimizer.state:
            new.state[q] = copy.deepcopy(optimizer.state[p])
    for seed in range(3):
        before = [p.detach().clone() for p in model.parameters()]
        step(model, optimizer, seed)
        step(twin, new, seed)
        assert all(not torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert_close(p, q)


@quiet
def test_state_of_weights_whose_values_change_is_dropped():
    model = network()
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    step(model, optimizer)
    weight, point = model[3].weight, model[2].weight
    convert(model, preserve=True, inplace=True, optimizer=optimizer)
    assert model[3].weight is weight
    assert weight.grad is None
    assert weight not in optimizer.state
    assert point in optimizer.state
    step(model, optimizer)


@quiet
@pytest.mark.parametrize("trim", [None, 0.9])
def test_fold_tells_the_optimiser(trim):
    model = convert(network(), window=LearnableWindow())
    optimizer = torch.optim.SGD(model.named_parameters(), lr=0.1, momentum=0.9)
    step(model, optimizer)
    state = optimizer.state[model[2].weight]["momentum_buffer"].clone()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "trim=", WindowWarning)
        fold(model, trim=trim, inplace=True, optimizer=optimizer)
    assert held(optimizer) == [[id(p) for p in model.parameters()]]
    assert optimizer.param_groups[0]["param_names"] == [name for name, _ in model.named_parameters()]
    assert torch.equal(optimizer.state[model[2].weight]["momentum_buffer"], state)
    before = model[0].weight.detach().clone()
    step(model, optimizer)
    assert not torch.equal(model[0].weight, before)


@quiet
def test_names_of_parameters_follow():
    model = network()
    optimizer = torch.optim.SGD(model.named_parameters(), lr=0.1)
    convert(model, kernel_size=7, window=LearnableWindow(), inplace=True, optimizer=optimizer)
    held_names = dict(zip(optimizer.param_groups[0]["param_names"], optimizer.param_groups[0]["params"], strict=True))
    assert {n: id(p) for n, p in held_names.items()} == {n: id(p) for n, p in model.named_parameters()}


@quiet
def test_several_optimisers_each_keep_to_their_part():
    model = network()
    first = torch.optim.SGD(model[0].parameters(), lr=0.1)
    second = torch.optim.Adam(model[3].parameters(), lr=0.1)
    convert(model, kernel_size=7, window=LearnableWindow(), inplace=True, optimizer=[first, second])
    assert held(first) == [[id(p) for p in (model[0].weight, model[0].learnable_window.raw, model[0].bias)]]
    assert held(second) == [[id(p) for p in (model[3].weight, model[3].learnable_window.raw, model[3].bias)]]


@quiet
def test_shared_weights_that_part_are_both_held():
    model = nn.Sequential(nn.Conv2d(3, 3, 5, padding=2), nn.Conv2d(3, 3, 5, padding=2), nn.Conv2d(3, 3, 5, padding=2))
    model = model.double()
    model[1].weight = model[2].weight = model[0].weight
    convert(model, include="0", inplace=True)
    convert(model, include="1", window=("kaiser", 4.0), inplace=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fold(model, inplace=True, optimizer=optimizer)
    assert len(set(held(optimizer)[0])) == len(held(optimizer)[0]) == 6
    assert set(held(optimizer)[0]) == {id(p) for p in model.parameters()}


def test_fabric_optimisers_are_told_too():
    fabric = Fabric(accelerator="cpu", devices=1)
    plain = network()
    model, optimizer = fabric.setup(plain, torch.optim.Adam(plain.parameters(), lr=0.01))
    step(model, optimizer)
    convert(model, kernel_size={5: 9}, inplace=True, exclude="*.0", optimizer=optimizer)
    before = plain[3].weight.detach().clone()
    assert before.shape[-1] == 9
    step(model, optimizer)
    assert not torch.equal(plain[3].weight, before)


# --- optimisers that were not told ------------------------------------------------------------------------------------


def test_an_optimiser_that_holds_replaced_parameters_says_so_once():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    other = torch.optim.SGD(network().parameters(), lr=0.1)
    convert(model, kernel_size=7, inplace=True)
    other.step()
    with pytest.warns(WindowWarning, match=r"SGD holds 2 parameters that convert or fold replaced") as caught:
        step(model, optimizer)
    assert caught[0].filename == __file__
    step(model, optimizer)  # no second warning, which would be an error here


def test_an_optimiser_made_afterwards_says_nothing():
    model = network()
    old = [model[0].weight]
    convert(model, kernel_size=7, inplace=True)
    step(model, torch.optim.SGD(model.parameters(), lr=0.1))
    fold(model, inplace=True)
    step(model, torch.optim.SGD(model.parameters(), lr=0.1))
    gc.collect()
    assert old[0].shape == (4, 3, 3, 3)


@quiet
def test_copies_leave_the_optimiser_alone():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fold(convert(model, kernel_size=7))
    step(model, optimizer)


@pytest.mark.parametrize(
    ("make", "inplace", "message"),
    [
        (lambda p: torch.optim.SGD(p), False, "optimizer with inplace=False; allowed: inplace=True"),
        (lambda p: torch.optim.LBFGS(p), True, "optimizer=LBFGS; allowed: optimisers with a state for each parameter"),
        (lambda p: "sgd", True, "optimizer=str; allowed: a torch optimiser, or a list of them"),
        (lambda p: [torch.optim.SGD(p), 3], True, "optimizer=list; allowed: a torch optimiser"),
    ],
)
def test_wrong_optimisers(make, inplace, message):
    model = network()
    with pytest.raises(InputError, match=message):
        convert(model, kernel_size=7, inplace=inplace, optimizer=make(model.parameters()))
    assert type(model[0]) is nn.Conv2d
    windowed = convert(model, kernel_size=7)
    with pytest.raises(InputError, match=message):
        fold(windowed, inplace=inplace, optimizer=make(windowed.parameters()))
    assert F.conv2d(torch.rand(1, 3, 9, 9).double(), windowed[0].effective_weight).shape == (1, 4, 3, 3)
