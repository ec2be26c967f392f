"""Summaries: the paper's figures, layer by layer, and what the model is afterwards."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from reparametrized import WAYS
from windowconv import effective
from windowconv.conversion import convert
from windowconv.effective import weight_origin
from windowconv.errors import InputError
from windowconv.folding import fold
from windowconv.layers import WindowedConv2d, WindowedConvTranspose1d
from windowconv.learnable import LearnableWindow
from windowconv.model_summary import summary

PAPER = [
    ("resnet18", None, 11_689_512, 1.81),
    ("resnet18", {3: 7, 7: 9}, 60_519_976, 9.34),
    ("vgg11_bn", None, 132_868_840, 7.61),
    ("vgg11_bn", 7, 173_836_520, 40.88),
]


@pytest.mark.parametrize(("name", "kernel_size", "parameters", "macs"), PAPER, ids=str)
def test_the_papers_networks(name, kernel_size, parameters, macs):
    with torch.device("meta"):
        model = torchvision.models.get_model(name)
    if kernel_size is not None:
        model = convert(model, kernel_size=kernel_size)
    result = summary(model, torch.empty(1, 3, 224, 224, device="meta"))
    assert result.parameters == parameters
    assert result.macs / 1e9 == pytest.approx(macs, abs=0.006)
    kinds = {layer.kernel for layer in result.layers if layer.window}
    assert kinds == (set() if kernel_size is None else {(7, 7), (9, 9)} if name == "resnet18" else {(7, 7)})
    assert all(layer.window == "hamming" for layer in result.layers if layer.window)
    assert sum(layer.macs for layer in result.layers) <= result.macs
    if kernel_size is not None and name == "resnet18":
        assert sorted(layer.kernel for layer in result.layers if not layer.window) == [(1, 1)] * 3
        assert len(result.layers) == 20
        assert summary(fold(model), torch.empty(1, 3, 224, 224, device="meta")).parameters == parameters


def test_layers_are_counted_by_hand():
    model = nn.Sequential(
        WindowedConv2d(4, 8, (5, 7), stride=2, padding=(2, 3), groups=2),
        nn.Flatten(2),
        WindowedConvTranspose1d(8, 4, 6, stride=2, padding=2, window=LearnableWindow()),
        nn.Linear(32, 3),
    )
    result = summary(model, torch.rand(3, 4, 8, 8))
    first, second = result.layers
    assert (first.name, first.kind, first.kernel, first.stride) == ("0", "WindowedConv2d", (5, 7), (2, 2))
    assert (first.padding, first.window, first.parameters) == ((2, 3), "hamming", 8 * 2 * 35 + 8)
    assert first.macs == 3 * 16 * 8 * 2 * 35
    assert (second.window, second.parameters) == ("learnable cosine", 8 * 4 * 6 + 4 + 2)
    assert second.macs == 3 * 16 * 8 * 4 * 6
    assert result.macs == first.macs + second.macs + 3 * 4 * 32 * 3
    assert result.parameters == sum(p.numel() for p in model.parameters())


def test_a_module_used_twice_is_one_layer_counted_twice():
    layer = WindowedConv2d(4, 4, 5, padding=2)
    result = summary(nn.Sequential(layer, nn.ReLU(), layer), torch.rand(1, 4, 6, 6))
    assert len(result.layers) == 1
    assert result.layers[0].macs == result.macs == 2 * 36 * 16 * 25
    assert result.parameters == 4 * 4 * 25 + 4


class Shared(nn.Module):
    """A layer that two parts hold; only the first part, or only the second, or both are called."""

    def __init__(self, called: tuple[int, ...]):
        super().__init__()
        layer = WindowedConv2d(4, 4, 5, padding=2)
        self.parts = nn.ModuleList([nn.Sequential(layer), nn.Sequential(nn.ReLU(), layer)])
        self.called = called

    def forward(self, x):
        for i in self.called:
            x = self.parts[i](x)
        return x


@pytest.mark.parametrize("called", [(0,), (1,), (0, 1), (1, 0), (1, 1, 0)])
def test_a_layer_at_two_places_has_all_its_multiply_adds_in_its_row(called):
    result = summary(Shared(called), torch.rand(1, 4, 6, 6))
    assert [layer.name for layer in result.layers] == ["parts.0.0"]
    assert result.layers[0].macs == result.macs == len(called) * 36 * 16 * 25


def test_the_model_is_afterwards_as_it_was():
    model = nn.Sequential(WindowedConv2d(3, 4, 5), nn.BatchNorm2d(4), nn.Dropout())
    model[2].eval()
    summary(model, torch.rand(1, 3, 8, 8))
    assert [m.training for m in model.modules()] == [True, True, True, False]
    assert model[1].num_batches_tracked == 0
    with pytest.raises(InputError, match="smaller than the kernel"):
        summary(model, torch.rand(1, 3, 4, 4))
    assert model.training


def test_several_inputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = WindowedConv2d(3, 4, 5)

        def forward(self, x, y):
            return self.conv(x + y)

    x = torch.rand(1, 3, 8, 8)
    assert summary(Two(), (x, x)).layers[0].macs == 16 * 12 * 25


def test_it_prints_as_a_table():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), WindowedConv2d(4, 4, 5, padding="same"))
    lines = str(summary(model, torch.rand(1, 3, 8, 8))).splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["0", "Conv2d"], ["1", "WindowedConv2d"]]
    assert lines[2].split()[2:] == ["5x5", "1x1", "same", "hamming", "404", "25,600"]
    assert lines[3].startswith("1 of 2 convolutions are windowed. Whole model: 420 parameters")


def test_a_model_without_convolutions():
    with pytest.raises(InputError, match="model=Linear; allowed: a model with convolutions"):
        summary(nn.Linear(3, 3), torch.rand(1, 3))


@pytest.mark.parametrize("way", WAYS)
def test_what_computes_a_weight_is_said(way):
    net = nn.Sequential(WAYS[way](WindowedConv2d(3, 4, 5)), nn.Conv2d(4, 4, 3))
    rows = summary(net, torch.rand(1, 3, 9, 9)).layers
    assert [row.computed for row in rows] == [weight_origin(net[0]), ""]
    convolution = 25 * 4 * 3 * 25
    assert rows[0].macs > convolution if way == "orthogonal" else rows[0].macs == convolution  # it multiplies matrices
    assert rows[0].parameters == sum(p.numel() for p in net[0].parameters())


def test_layers_with_kernels_of_their_own_are_said_and_rows_once_registered(monkeypatch):
    class Smooth(nn.Module):
        stride = 2

        def forward(self, x):
            return F.conv1d(x, torch.ones(1, 1, 9), stride=2)

    monkeypatch.setattr(effective, "_registered", {})
    net, x = nn.Sequential(Smooth(), nn.Conv1d(1, 2, 3)), torch.rand(1, 1, 32)
    found = summary(net, x)
    assert [row.name for row in found.layers] == ["1"]
    assert "Left out: 0: Smooth calls conv1d with a kernel of its own; allowed: after" in str(found)
    with pytest.raises(InputError, match="Smooth calls conv1d"):
        summary(net[0], x)
    effective.register_weight(Smooth, lambda layer: torch.ones(1, 1, 9))
    row = summary(net, x).layers[0]
    assert (row.kind, row.kernel, row.stride, row.padding, row.macs) == ("Smooth", (9,), (2,), (0,), 9 * 12)
    assert row.computed == "registered"
    assert str(summary(net, x)).splitlines()[1].endswith("registered")
