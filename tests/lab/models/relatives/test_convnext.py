"""ConvNeXt's block, pixel by pixel."""

import numpy as np
import pytest
import torch
from scipy.special import erf
from torch import nn

from windowconv.lab.models.relatives.convnext import ConvNextBlock, convnext


@pytest.mark.parametrize(("outputs", "stride"), [(4, 1), (6, 1), (2, 1), (6, 2)])
def test_the_papers_formula(outputs: int, stride: int) -> None:
    torch.manual_seed(0)
    block = convnext(nn.Conv2d(4, outputs, 5, stride=stride, padding=2)).double()
    assert isinstance(block, ConvNextBlock)
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    images = torch.rand(1, 4, 7, 7, dtype=torch.float64)
    held = {name: parameter.detach().numpy() for name, parameter in block.named_parameters()}
    y, x = 2, 4
    top, left = y - 2, x - 2
    patch = np.pad(images[0].numpy(), ((0, 0), (2, 2), (2, 2)))[:, top + 2 : top + 7, left + 2 : left + 7]
    v = (held["depthwise.weight"][:, 0] * patch).sum((1, 2)) + held["depthwise.bias"]
    v = (v - v.mean()) / np.sqrt(v.var() + 1e-6) * held["norm.weight"] + held["norm.bias"]
    v = held["expand.weight"] @ v + held["expand.bias"]
    v = v * (1 + erf(v / np.sqrt(2))) / 2
    v = held["project.weight"] @ v + held["project.bias"]
    if stride == 1:
        v = held["gamma"] * v
        shared = min(4, outputs)
        v[:shared] += images[0, :shared, y, x].numpy()
    got = block(images)[0, :, y // stride, x // stride].detach().numpy()
    np.testing.assert_allclose(got, v, rtol=1e-9)
    assert len(held["expand.bias"]) == 16


def test_its_first_channels_start_as_an_identity_at_stride_one() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 4, 6, 6)
    y = convnext(nn.Conv2d(4, 6, 5, padding=2))(x).detach()
    torch.testing.assert_close(y[:, :4], x, atol=1e-5, rtol=0)
    assert (y[:, 4:].std((0, 2, 3)) > 1e-4).all()
    assert convnext(nn.Conv2d(4, 6, 5, stride=2)).gamma is None
