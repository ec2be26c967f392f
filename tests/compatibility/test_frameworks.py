"""Windowed layers under Fabric, timm and safetensors, and torch's averages of weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_model, save_model
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from plain_networks import WINDOWS, Network, images, plain_network
from tolerances import assert_close
from windowconv.checkpoint import load_weights, save_weights
from windowconv.conversion import convert
from windowconv.folding import fold
from windowconv.layers import WindowedConv2d

pytestmark = pytest.mark.slow
each_window = pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
PRECISIONS = {
    "32-true": torch.float32,
    "64-true": torch.float64,
    "bf16-true": torch.bfloat16,
    "bf16-mixed": torch.bfloat16,
}


@pytest.mark.compatibility("lightning-fabric", "init_module(empty_init=True), setup, in every precision of a CPU")
@pytest.mark.parametrize("precision", PRECISIONS)
@each_window
def test_fabric(window, precision):
    fabric = pytest.importorskip("lightning_fabric").Fabric(accelerator="cpu", devices=1, precision=precision)
    with fabric.init_module(empty_init=True):
        network = Network(window)
    network.load_state_dict(Network(window).state_dict())
    model, optimizer = fabric.setup(network, torch.optim.SGD(network.parameters(), lr=0.1))
    tolerance = torch.bfloat16 if PRECISIONS[precision] == torch.bfloat16 else torch.float32
    before = model(images())
    assert_close(before, plain_network(Network(window))(images()), tolerance, scale=4)
    assert_close(fold(model)(images()), before, tolerance, scale=4)
    fabric.backward(before.square().sum())
    optimizer.step()
    assert not torch.equal(model(images()), before)
    assert network.stem.weight.dtype == (torch.float32 if precision == "bf16-mixed" else PRECISIONS[precision])


@pytest.mark.compatibility("safetensors", "save_model, load_model")
@each_window
def test_safetensors(window, tmp_path: Path):
    network, other = Network(window), Network(window)
    for parameter in other.parameters():
        parameter.data.zero_()
    save_model(network, str(tmp_path / "weights.safetensors"))
    load_model(other, tmp_path / "weights.safetensors")
    assert_close(other(images()), plain_network(network)(images()), scale=4)


TIMM = ["resnet18", "convnext_atto", "mobilenetv3_small_050", "resnetv2_50"]


@pytest.mark.compatibility("timm", "convert, fold and ModelEmaV3 of its networks")
@pytest.mark.parametrize("name", TIMM)
@pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")
@each_window
@torch.no_grad()
def test_timm(window, name):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = convert(timm.create_model(name, num_classes=5).eval(), window=window, kernel_size=7)
    assert any(isinstance(layer, WindowedConv2d) for layer in network.modules())
    pictures = torch.rand(2, 3, 64, 64)
    expected = fold(network)(pictures)
    assert_close(network(pictures), expected, scale=10)
    average = timm.utils.ModelEmaV3(network, decay=0.5)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    for parameter in network.parameters():
        parameter.mul_(1.1)
    average.update(network, step=10)
    halfway: Any = {key: (tensor + before[key]) / 2 for key, tensor in network.state_dict().items()}
    network.load_state_dict(halfway)
    assert_close(average(pictures), fold(network)(pictures), scale=10)


@pytest.mark.compatibility(
    "timm",
    "reparameterize_model",
    outcome="works after fold",
    note="it reads the raw weight: without `fold`, the window would be lost",
)
@pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")
@torch.no_grad()
def test_timm_reparameterisation():
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = convert(timm.create_model("repvgg_a0", num_classes=5).eval())
    pictures = torch.rand(1, 3, 64, 64)
    expected = network(pictures)
    merged = timm.utils.model.reparameterize_model(fold(network))
    assert len(list(merged.modules())) < len(list(network.modules()))
    assert_close(merged(pictures), expected, scale=100)


@pytest.mark.compatibility("torch", "AveragedModel, update_bn; its file loads into the network itself")
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@each_window
def test_averaged_model(window, suffix, tmp_path: Path):
    network = Network(window)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=True)
    average.update_parameters(network)
    for parameter in network.parameters():
        parameter.data *= 1.1
    average.update_parameters(network)
    update_bn([images()], average)
    expected = plain_network(average.module)(images())
    assert_close(average(images()), expected, scale=4)
    path = tmp_path / f"average{suffix}"
    save_weights(average, path) if suffix == ".safetensors" else torch.save(average.state_dict(), path)
    other = Network(window)
    load_weights(other, path)
    assert_close(other(images()), expected, scale=4)
    again = AveragedModel(other)
    load_weights(again, path)
    assert int(again.n_averaged) == 2
