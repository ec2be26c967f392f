"""Learnable spacings: the kernel of the paper's bilinear formula, and gradients of positions."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from windowconv.effective import effective_weight
from windowconv.lab.models.relatives.learnable_spacings import ELEMENTS, SpacedConv2d, learnable_spacings


@pytest.fixture
def layer() -> SpacedConv2d:
    torch.manual_seed(0)
    made = learnable_spacings(nn.Conv2d(2, 3, 7, padding=3)).double()
    assert isinstance(made, SpacedConv2d)
    return made


def test_each_element_is_shared_among_its_four_nearest_taps(layer: SpacedConv2d) -> None:
    with torch.no_grad():
        layer.positions.mul_(4)
    positions, weight = layer.positions.detach(), layer.weight.detach()
    expected = torch.zeros(3, 2, 9, 9, dtype=torch.float64)  # with a margin
    for o in range(3):
        for i in range(2):
            for k in range(ELEMENTS):
                y, x = (min(max(float(positions[axis, o, i, k]), -3), 3) + 3 for axis in (0, 1))
                top, left, w = math.floor(y), math.floor(x), float(weight[o, i, k])
                r, s = y - top, x - left
                expected[o, i, top, left] += w * (1 - r) * (1 - s)
                expected[o, i, top + 1, left] += w * r * (1 - s)
                expected[o, i, top, left + 1] += w * (1 - r) * s
                expected[o, i, top + 1, left + 1] += w * r * s
    torch.testing.assert_close(layer.kernel().detach(), expected[..., :7, :7])
    torch.testing.assert_close(effective_weight(layer), layer.kernel().detach())
    x = torch.rand(2, 2, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.kernel(), layer.bias, padding=3))
    torch.testing.assert_close(layer.merged()(x), layer(x))


def test_gradients(layer: SpacedConv2d) -> None:
    def kernel(weight: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        along_y, along_x = (layer._hats(each, 7) for each in positions)
        return torch.einsum("oik,oiky,oikx->oiyx", weight, along_y, along_x)

    weight, positions = (each.detach()[..., :1, :, :2].requires_grad_() for each in (layer.weight, layer.positions))
    torch.testing.assert_close(kernel(layer.weight, layer.positions), layer.kernel())
    assert torch.autograd.gradcheck(kernel, (weight, positions))


def test_a_position_beyond_the_end_stays_there_and_can_come_back(layer: SpacedConv2d) -> None:
    with torch.no_grad():
        layer.positions[0, 0, 0, 0] = 5.0
        layer.weight[0, 0] = 0
        layer.weight[0, 0, 0] = 1
        layer.positions[1, 0, 0, 0] = 0
    assert layer.kernel()[0, 0, 6, 3] == 1
    layer.kernel()[0, 0, 6, 3].backward()
    assert layer.positions.grad is not None
    assert layer.positions.grad[0, 0, 0, 0] == -1


def test_it_starts_about_the_middle_at_the_scale_of_the_kernel_and_as_an_identity() -> None:
    torch.manual_seed(1)
    plain = nn.Conv2d(32, 32, 7, padding=3)
    made = learnable_spacings(plain)
    assert isinstance(made, SpacedConv2d)
    assert made.positions.std().item() == pytest.approx(0.5, rel=0.02)
    ratio = made.weight.square().sum((1, 2)).mean() / plain.weight.square().sum((1, 2, 3)).mean()
    assert ratio.item() == pytest.approx(1, rel=0.05)
    made.start_as_identity()
    x = torch.rand(1, 32, 9, 9)
    assert made.bias is not None
    torch.testing.assert_close(made(x) - made.bias.view(-1, 1, 1), x)
    depthwise = SpacedConv2d(4, 4, 5, padding=2, groups=4, bias=False)
    depthwise.start_as_identity()
    torch.testing.assert_close(depthwise(x[:, :4]), x[:, :4])
