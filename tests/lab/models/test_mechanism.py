"""SGD on a windowed layer is SGD on its effective weight with a learning rate of w^2 and a weight decay of 1/w^2 for
each tap, momentum included: proved step by step in float64, by an optimiser with one group of settings for each tap."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv import WindowedConv2d, get_window

SIZE, LR, DECAY, STEPS = 5, 0.2, 0.1, 8
Spec = str | tuple[str, float]
TAPS = list(product(range(SIZE), range(SIZE)))


def loss(weights: list[Tensor], seed: int) -> Tensor:
    """Of two convolutions with a nonlinearity between, on random images."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(4, 2, 9, 9, generator=generator, dtype=torch.float64)
    hidden = torch.tanh(F.conv2d(images, weights[0], padding=SIZE // 2))
    return F.cross_entropy(F.conv2d(hidden, weights[1], padding=SIZE // 2).mean((2, 3)), torch.arange(4))


def windowed(window: Spec, momentum: dict) -> list[list[Tensor]]:
    """The effective weights after each step of ordinary SGD on windowed layers."""
    torch.manual_seed(0)
    shapes: list[tuple[int, int]] = [(2, 3), (3, 4)]
    layers = nn.ModuleList(WindowedConv2d(i, o, SIZE, bias=False, window=window) for i, o in shapes).double()
    optimizer = torch.optim.SGD(layers.parameters(), lr=LR, weight_decay=DECAY, **momentum)
    found = [[layer.effective_weight.detach().clone() for layer in layers]]
    for step in range(STEPS):
        optimizer.zero_grad()
        loss([layer.effective_weight for layer in layers], step).backward()
        optimizer.step()
        found.append([layer.effective_weight.detach().clone() for layer in layers])
    return found


def tap_by_tap(start: list[Tensor], window: Spec, momentum: dict, lr_power: int = 2) -> list[list[Tensor]]:
    """Plain kernels after each step of SGD in which each tap is a parameter with settings of its own."""
    values = get_window(window, (SIZE, SIZE), dtype=torch.float64)
    taps = [{at: nn.Parameter(weight[:, :, at[0], at[1]].clone()) for at in TAPS} for weight in start]

    def settings(at: tuple[int, int]) -> dict[str, float]:
        w = float(values[at])
        return {"lr": LR * w**lr_power, "weight_decay": DECAY / w**2}

    groups = [{"params": [each[at]], **settings(at)} for each in taps for at in TAPS]
    optimizer = torch.optim.SGD(groups, **momentum)

    def weights() -> list[Tensor]:
        return [torch.stack([each[at] for at in TAPS], -1).unflatten(-1, (SIZE, SIZE)) for each in taps]

    found = [[weight.detach().clone() for weight in weights()]]
    for step in range(STEPS):
        optimizer.zero_grad()
        loss(weights(), step).backward()
        optimizer.step()
        found.append([weight.detach().clone() for weight in weights()])
    return found


@pytest.mark.parametrize("window", ["hamming", ("kaiser", 6.0), ("gaussian", 1.2)], ids=str)
@pytest.mark.parametrize("momentum", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}], ids=str)
def test_a_window_is_rates_and_decays_of_its_own_for_each_tap(window: Spec, momentum: dict) -> None:
    expected = windowed(window, momentum)
    found = tap_by_tap(expected[0], window, momentum)
    moved = max((b - a).abs().max().item() for a, b in zip(expected[0], expected[-1], strict=True))
    assert moved > 1e-2
    for mine, theirs in zip(found, expected, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-14)


def test_with_rates_of_w_it_is_another_training() -> None:
    expected = windowed("hamming", {"momentum": 0.9})
    found = tap_by_tap(expected[0], "hamming", {"momentum": 0.9}, lr_power=1)
    assert any((a - b).abs().max() > 1e-3 for a, b in zip(found[-1], expected[-1], strict=True))
