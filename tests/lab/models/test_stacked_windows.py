"""Networks with windows of their own that are computed as one."""

import pytest
import torch
from torch import nn

from windowconv.errors import InputError
from windowconv.lab.models.replicas import Stacked
from windowconv.layers import WindowedConv2d
from windowconv.learnable import LearnableWindow


def network(window: object) -> nn.Sequential:
    return nn.Sequential(WindowedConv2d(2, 3, 5, window=window), WindowedConv2d(3, 2, 3, window=None)).double()  # pyright: ignore[reportArgumentType]


def test_each_network_has_its_own_window() -> None:
    networks = [network(torch.rand(5, 5) + 0.5) for _ in range(3)]
    stacked = Stacked(list(networks))
    images = torch.rand(3, 2, 2, 9, 9, dtype=torch.float64)
    outputs = stacked(images)
    torch.testing.assert_close(outputs, torch.stack([net(images[i]) for i, net in enumerate(networks)]))
    outputs.square().sum().backward()
    for i, net in enumerate(networks):
        net(images[i]).square().sum().backward()
        for name, part in stacked.parts(i):
            assert part.whole.grad is not None
            torch.testing.assert_close(part.of(part.whole.grad), net.get_parameter(name).grad)
    stacked.pull()
    assert list(networks[0].buffers()) == []


@pytest.mark.parametrize("other", [None, LearnableWindow("gaussian")], ids=["none", "learnable"])
def test_windows_that_cannot_be_stacked_are_refused(other: object) -> None:
    with pytest.raises(InputError, match="networks to be trained at once must be alike"):
        Stacked([network("hamming"), network(other)])
