"""Quantisation around windowed layers, by torch.ao and torchao; of the layers themselves, once folded."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.ao import quantization
from torch.ao.quantization import quantize_fx

from plain_networks import WINDOWS, Network, images, plain_network
from tolerances import assert_close
from windowconv.errors import InputError
from windowconv.folding import fold
from windowconv.layers import WindowedConv2d, WindowedConvTranspose2d

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
each_window = pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)


def near(got: torch.Tensor, expected: torch.Tensor) -> None:
    """Within eight bits, of which several layers take part."""
    assert (got - expected).abs().max() < 0.04 * expected.abs().max() + 0.02


@pytest.mark.compatibility("torch.ao", "quantize_dynamic (linear layers)")
@each_window
def test_dynamic_quantisation_leaves_windowed_layers(window):
    network = Network(window)
    quantised: Any = quantization.quantize_dynamic(network, {nn.Linear, nn.Conv2d})
    assert type(quantised.stem) is WindowedConv2d
    assert type(quantised.head) is not nn.Linear
    near(quantised(images()), plain_network(network)(images()))
    assert_close(fold(quantised)(images()), quantised(images()))


@pytest.mark.compatibility("torch.ao", "prepare_fx, convert_fx: windowed layers stay in floating point")
@each_window
def test_quantisation_of_a_graph_leaves_windowed_layers(window):
    network = Network(window).eval()
    prepared = quantize_fx.prepare_fx(copy.deepcopy(network), quantization.get_default_qconfig_mapping(), (images(),))
    prepared(images())
    quantised = quantize_fx.convert_fx(prepared)
    assert type(quantised.stem) is WindowedConv2d
    near(quantised(images()), plain_network(network)(images()))


@pytest.mark.compatibility("torch.ao", "prepare_fx, convert_fx of the layers too", outcome="works after fold")
@each_window
def test_a_graph_of_folded_layers_is_quantised(window):
    network = Network(window).eval()
    prepared = quantize_fx.prepare_fx(fold(network), quantization.get_default_qconfig_mapping(), (images(),))
    prepared(images())
    quantised = quantize_fx.convert_fx(prepared)
    assert "quantized" in type(quantised.stem).__module__
    near(quantised(images()), plain_network(network)(images()))


def eager(layer: nn.Module) -> nn.Module:
    """Quantised statically between stubs."""
    model = nn.Sequential(quantization.QuantStub(), layer, quantization.DeQuantStub()).eval()
    model.qconfig = quantization.QConfig(  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]
        quantization.default_observer, quantization.default_weight_observer
    )
    prepared = quantization.prepare(model)
    prepared(images())
    return quantization.convert(prepared)


@pytest.mark.compatibility("torch.ao", "prepare, convert (QuantStub) of folded layers", outcome="works after fold")
@each_window
def test_eager_quantisation_of_folded_layers(window):
    layer = Network(window).stem
    near(eager(fold(layer))(images()), plain_network(nn.Sequential(layer))(images()))


@pytest.mark.compatibility(
    "torch.ao", "prepare, convert (QuantStub) of windowed layers", outcome="refused", note="fold, then quantise"
)
@pytest.mark.parametrize("kind", [WindowedConv2d, WindowedConvTranspose2d])
def test_a_quantised_input_is_refused(kind):
    with pytest.raises(InputError, match=r"input.dtype=torch.quint8; allowed: floating point \(fold the model, then"):
        eager(kind(3, 4, 7, window=("kaiser", 5.0)))(images())


@pytest.mark.compatibility(
    "torch",
    "torch.utils.mkldnn.to_mkldnn",
    outcome="works after fold",
    note="it makes other layers of the raw weight: without `fold`, the window would be lost",
)
@each_window
def test_mkldnn_of_folded_layers(window):
    from torch.utils import mkldnn  # a module that warns when it is looked at

    network = Network(window).eval()
    converted = mkldnn.to_mkldnn(fold(nn.Sequential(network.stem, network.act, network.conv)))
    expected = plain_network(nn.Sequential(network.stem, network.act, network.conv))(images())
    assert_close(converted(images().to_mkldnn()).to_dense(), expected, scale=4)


@pytest.mark.compatibility("torchao", "quantize_ with Int8WeightOnlyConfig and Float8WeightOnlyConfig (linear layers)")
@pytest.mark.parametrize("config", ["Int8WeightOnlyConfig", "Float8WeightOnlyConfig"])
@each_window
@torch.no_grad()
def test_torchao_quantises_linear_layers(window, config):
    torchao = pytest.importorskip("torchao.quantization")
    network = Network(window).eval()
    quantised = copy.deepcopy(network)
    torchao.quantize_(quantised, getattr(torchao, config)())
    assert type(quantised.head.weight) is not type(network.head.weight)
    near(quantised(images()), plain_network(network)(images()))
    assert_close(fold(quantised)(images()), quantised(images()))


@pytest.mark.compatibility("torchao", "pt2e: prepare_pt2e, convert_pt2e of an exported network")
@each_window
def test_quantisation_of_an_export(window):
    pt2e = pytest.importorskip("torchao.quantization.pt2e.quantize_pt2e")
    x86 = pytest.importorskip("torchao.quantization.pt2e.quantizer.x86_inductor_quantizer")

    network = Network(window).eval()
    exported: Any = torch.export.export(network, (images(),)).module()
    quantizer = x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config())
    prepared = pt2e.prepare_pt2e(exported, quantizer)
    prepared(images())
    near(pt2e.convert_pt2e(prepared)(images()), plain_network(network)(images()))
