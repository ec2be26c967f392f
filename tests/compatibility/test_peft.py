"""Windowed layers adapted by peft.

LoRA makes its own layer of the adapted layer's class: a windowed one, with the window that a layer has by default.
"""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from plain_networks import WINDOWS, Network, images, plain_network
from tolerances import assert_close
from windowconv.conversion import convert
from windowconv.folding import fold
from windowconv.layers import WindowedConv2d

peft = pytest.importorskip("peft")
pytestmark = pytest.mark.slow
FIXED = {name: window for name, window in WINDOWS.items() if name != "learnable"}


def adapted(network: Any, **options: Any) -> Any:
    torch.manual_seed(1)
    config = peft.LoraConfig(r=2, target_modules=["stem", "conv"], init_lora_weights=False, **options)
    return peft.get_peft_model(network, config).eval()


@pytest.mark.compatibility("peft", "LoRA: training, save_pretrained, from_pretrained")
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_lora_trains_its_own_parameters_and_is_saved(window, tmp_path: Path):
    model = adapted(Network(window))
    x = images()
    base = model.base_model.model.stem
    a, b = base.lora_A["default"], base.lora_B["default"]
    assert type(a) is WindowedConv2d
    hamming = torch.hamming_window(7, periodic=False)
    update = base.scaling["default"] * b(F.conv2d(x, a.weight * torch.outer(hamming, hamming), padding=3))
    assert_close(base(x), plain_network(Network(window)).stem(x) + update, scale=4)
    model(x).sum().backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None}
    assert trained
    assert all("lora_" in name for name in trained)
    model.save_pretrained(tmp_path)
    loaded = peft.PeftModel.from_pretrained(Network(window), tmp_path)
    assert_close(loaded(x), model(x))


@pytest.mark.compatibility(
    "peft",
    "LoRA and DoRA: merge_and_unload",
    note="the adapters must have the layer's window: they start with Hamming's; for another one, "
    "`convert(model, window=..., inplace=True)` after `get_peft_model`",
)
@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize("window", FIXED.values(), ids=FIXED)
@torch.no_grad()
def test_a_merged_model_computes_the_same(window, dora, safe):
    model = adapted(Network(window), use_dora=dora)
    if window != "hamming":
        convert(model, window=window, include="*.lora_A.*", inplace=True)
    expected = model(images())
    merged = model.merge_and_unload(safe_merge=safe)
    assert type(merged.stem) is WindowedConv2d
    assert_close(merged(images()), expected, scale=10)
    assert_close(fold(merged)(images()), expected, scale=10)


ADAPTERS: dict[str, Any] = {
    "LoRA": lambda: peft.LoraConfig(r=2, target_modules=["stem", "conv"], init_lora_weights=False),
    "LoHa": lambda: peft.LoHaConfig(r=2, target_modules=["stem", "conv"], init_weights=False),
    "LoKr": lambda: peft.LoKrConfig(r=2, target_modules=["stem", "conv"], init_weights=False),
}


@pytest.mark.compatibility(
    "peft",
    "LoRA, LoHa, LoKr with any window, learnable ones too: fold, then merge_and_unload",
    outcome="works after fold",
    note="peft adds what these learn to the raw weight: merged without `fold`, it would be windowed",
)
@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@torch.no_grad()
def test_folded_then_merged(window, adapter):
    torch.manual_seed(1)
    model = peft.get_peft_model(Network(window), ADAPTERS[adapter]()).eval()
    expected = model(images())
    folded = fold(model)
    assert_close(folded(images()), expected, scale=10)
    assert_close(folded.merge_and_unload()(images()), expected, scale=10)


@pytest.mark.compatibility(
    "peft",
    "BOFT",
    outcome="works after fold",
    note="before `get_peft_model`: it rotates the raw weight",
)
@pytest.mark.filterwarnings("ignore:Failed to load the CUDA extension", "ignore:Setting boft_n_butterfly")
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@torch.no_grad()
def test_boft_of_folded_layers(window):
    config = peft.BOFTConfig(boft_block_size=1, target_modules=["stem"], init_weights=False)
    outputs = []
    for network in (fold(Network(window)), plain_network(Network(window))):
        torch.manual_seed(1)
        outputs.append(peft.get_peft_model(network, config).eval()(images()))
    assert_close(*outputs, scale=4)


@pytest.mark.compatibility("peft", "modules_to_save holds a windowed layer")
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_a_windowed_layer_trained_whole(window):
    config = peft.LoraConfig(r=2, target_modules=["head"], modules_to_save=["stem"])
    model = peft.get_peft_model(Network(window), config)
    assert_close(model(images()), plain_network(Network(window))(images()), scale=4)
    model(images()).sum().backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None}
    assert any("stem.modules_to_save" in name for name in trained)
    merged = copy.deepcopy(model).merge_and_unload()
    assert type(merged.stem) is WindowedConv2d
    assert_close(fold(merged)(images()), model(images()), scale=4)
