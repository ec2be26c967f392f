"""The paper's network: sizes, layers, initial weights; and its way through a weights file's header."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from windowconv.checkpoint import load_weights, read_header, save_weights
from windowconv.errors import InputError
from windowconv.lab.models.build import build, from_header, small_network, to_header


@pytest.mark.parametrize(
    ("arm", "millions"), [("7x7", 14.50), ("7x7-hamming", 14.50), ("3x3", 2.69), ("7x7-learnable-cosine", 14.50)]
)
def test_the_papers_sizes(arm: str, millions: float) -> None:
    with torch.device("meta"):
        model = small_network(arm, 100, 3)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions


@pytest.mark.parametrize("arm", ["3x3", "7x7", "9x9-hamming"])
def test_the_papers_layers(arm: str) -> None:
    model = small_network(arm, 10, 1, depth=4, width=3)
    size = int(arm[0])
    convolutions = [m for m in model if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels) for c in convolutions] == [(1, 3), (3, 6), (6, 6), (6, 6)]
    assert [c.stride for c in convolutions] == [(2, 2), (1, 1), (1, 1), (1, 1)]
    for convolution in convolutions:
        assert convolution.kernel_size == (size, size)
        assert convolution.padding == (size // 2, size // 2)
        assert convolution.bias is None
    kinds = [type(m) for m in model]
    for i in range(4):
        assert isinstance(model[3 * i], nn.Conv2d)
        assert kinds[3 * i + 1 : 3 * i + 3] == [nn.BatchNorm2d, nn.ReLU]
    assert kinds[12:] == [nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear]
    features = model[:12](torch.rand(2, 1, 28, 28))
    assert features.shape == (2, 6, 14, 14)
    assert model(torch.rand(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize("arm", ["7x7-hamming", "7x7-kaiser:8.6", "7x7-hamming-energy", "7x7-learnable-gaussian"])
def test_arms_of_one_size_start_from_the_same_raw_weights(arm: str) -> None:
    states = []
    for name in ("7x7", arm):
        torch.manual_seed(5)
        states.append(small_network(name, 10, 3, depth=3, width=4).state_dict())
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key


def test_a_weights_file_builds_its_network_again(tmp_path: Path) -> None:
    arguments = {"arm": "5x5-hamming", "classes": 7, "channels": 1, "depth": 2, "width": 3}
    model = build("small", arguments).eval()
    save_weights(model, tmp_path / "m.safetensors", to_header("small", arguments))
    again = from_header(read_header(tmp_path / "m.safetensors"))
    load_weights(again, tmp_path / "m.safetensors")
    images = torch.rand(3, 1, 9, 9)
    assert torch.equal(model(images), again.eval()(images))


GOOD = {"arm": "3x3", "classes": 2, "channels": 1, "depth": 2, "width": 2}


@pytest.mark.parametrize(
    "given",
    [
        None,
        "{",
        "[]",
        json.dumps({"name": "small"}),
        json.dumps({"name": "smal", "arguments": GOOD}),
        json.dumps({"name": ["small"], "arguments": GOOD}),
        json.dumps({"name": "small", "arguments": {**GOOD, "width": -2}}),
        json.dumps({"name": "small", "arguments": {**GOOD, "width": "wide"}}),
        json.dumps({"name": "small", "arguments": {**GOOD, "arm": 3}}),
        json.dumps({"name": "small", "arguments": {**GOOD, "arm": "3x3-haming"}}),
        json.dumps({"name": "small", "arguments": {**GOOD, "more": 1}}),
        json.dumps({"name": "small", "arguments": None}),
    ],
)
def test_a_header_that_names_no_network_is_refused_in_one_line(given: str | None) -> None:
    with pytest.raises(InputError, match="the weights' header names") as caught:
        from_header({} if given is None else {"builder": given})
    assert "\n" not in str(caught.value)
