"""Windowed layers in graphs of torch.fx stay whole, as torch's own do; torch.jit.script names the way."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import resnet18
from torchvision.models.feature_extraction import create_feature_extractor

from tolerances import assert_close
from windowconv import convert, fold, leakage
from windowconv.errors import InputError
from windowconv.layers import WindowedConv2d, WindowedConvTranspose2d
from windowconv.learnable import LearnableWindow
from windowconv.windowed import WindowedMixin


def windowed(model: nn.Module) -> dict[str, nn.Module]:
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, WindowedMixin)}


def test_extracted_features_keep_their_windowed_layers():
    model = convert(resnet18(weights=None), window="hamming", kernel_size={3: 5}).eval()
    extracted = create_feature_extractor(model, {"layer1.0.conv1": "early", "layer2": "late"}).eval()
    x = torch.rand(1, 3, 32, 32)
    expected = model.layer1[0].conv1(model.maxpool(model.relu(model.bn1(model.conv1(x)))))
    assert_close(extracted(x)["early"], expected)
    assert windowed(extracted).keys() == {n for n in windowed(model) if n == "conv1" or n[:7] in ("layer1.", "layer2.")}
    assert {la.name for la in leakage(extracted).layers} >= {"conv1", "layer1.0.conv1"}
    folded = fold(extracted)
    assert not windowed(folded)
    assert_close(folded(x)["late"], extracted(x)["late"])


@pytest.mark.parametrize("window", ["hamming", LearnableWindow("kaiser")], ids=str)
def test_a_traced_model_has_the_nodes_of_torchs_own(window):
    up = WindowedConvTranspose2d(3, 2, 5, window=window)
    model = nn.Sequential(WindowedConv2d(2, 3, 5, window=window), nn.ReLU(), up)
    plain = nn.Sequential(nn.Conv2d(2, 3, 5), nn.ReLU(), nn.ConvTranspose2d(3, 2, 5))
    traced, theirs = torch.fx.symbolic_trace(model), torch.fx.symbolic_trace(plain)
    nodes = [(node.op, node.target) for node in theirs.graph.nodes]
    assert [(node.op, node.target) for node in traced.graph.nodes] == nodes
    x = torch.rand(1, 2, 9, 9)
    assert_close(traced(x), model(x))
    again = torch.fx.Transformer(traced).transform()
    assert_close(again(x), model(x))
    model[0].weight.data.mul_(2)
    assert_close(traced(x), model(x))


class Enlarging(nn.Module):
    """A transposed layer's output size is given to it."""

    def __init__(self):
        super().__init__()
        self.up = WindowedConvTranspose2d(2, 2, 4, stride=2, padding=1)

    def forward(self, x):
        return self.up(x, [13, 12])


def test_an_output_size_is_an_argument_of_the_node():
    model, x = Enlarging(), torch.rand(1, 2, 6, 6)
    assert_close(torch.fx.symbolic_trace(model)(x), model(x))


def test_a_layer_itself_is_looked_into_as_torchs_own_are():
    layer, x = WindowedConv2d(2, 3, 5), torch.rand(1, 2, 9, 9)
    traced = torch.fx.symbolic_trace(layer)
    assert "call_module" not in {node.op for node in traced.graph.nodes}
    assert_close(traced(x), layer(x))


def test_hooks_of_a_layer_run_once():
    def double(module: nn.Module, args: Any, output: Any) -> Any:
        return 2 * output

    model, x = nn.Sequential(WindowedConv2d(2, 3, 5)), torch.rand(1, 2, 9, 9)
    expected = 2 * model(x)
    model[0].register_forward_hook(double)
    assert_close(torch.fx.symbolic_trace(model)(x), expected)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")
def test_torch_jit_script_names_the_way():
    model = convert(nn.Sequential(nn.Conv2d(2, 3, 5), nn.ReLU()))
    before = copy.deepcopy(model)
    with pytest.raises(InputError, match=r"^torch\.jit\.script\(layer '0'\); allowed: torch\.export.*fold\(model\)\)$"):
        torch.jit.script(model)
    x = torch.rand(1, 2, 9, 9)
    assert_close(torch.jit.script(fold(model))(x), before(x))
