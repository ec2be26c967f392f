"""Conversion knows what must not change: frozen filters, copies, what is there already, layers without channels."""

import copy
import re
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from tolerances import assert_close
from windowconv.conversion import convert
from windowconv.errors import InputError, WindowWarning
from windowconv.folding import fold
from windowconv.layers import WindowedConv2d
from windowconv.learnable import LearnableWindow
from windowconv.plan import plan_conversion

quiet = pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")
SOBEL = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def sobel() -> nn.Conv2d:
    """Two edge filters that must never train."""
    layer = nn.Conv2d(1, 2, 3, padding=1, bias=False)
    layer.weight = nn.Parameter(torch.stack([SOBEL, SOBEL.T])[:, None], requires_grad=False)
    return layer


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))


# --- frozen filters ---------------------------------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("window", ["hamming", "hann", ("kaiser", 5.0), None, LearnableWindow()], ids=str)
@pytest.mark.parametrize("size", [5, {3: 7}, lambda name, layer: 7], ids=["int", "mapping", "callable"])
def test_a_frozen_filter_that_grows_keeps_its_function(window, size):
    model: Any = nn.Sequential(sobel(), nn.Conv2d(2, 4, 3, padding=1))
    x = torch.rand(2, 1, 12, 12)
    expected = F.conv2d(x, torch.stack([SOBEL, SOBEL.T])[:, None], padding=1)
    for inplace in (False, True):
        converted = convert(model, window=window, kernel_size=size, inplace=inplace)
        assert_close(converted[0](x), expected, scale=10)
        assert not any(p.requires_grad for p in converted[0].parameters())
        assert all(p.requires_grad for p in converted[1].parameters())
        assert converted[1].weight.shape[2:] == converted[0].weight.shape[2:] != (3, 3)
        assert_close(fold(converted)[0](x), expected, scale=10)


def test_the_plan_says_what_is_frozen():
    model: Any = nn.Sequential(sobel(), nn.Conv2d(2, 4, 3, padding=1))
    plan = plan_conversion(model, kernel_size=7)
    assert [(layer.preserve, layer.frozen) for layer in plan.layers] == [(True, True), (False, False)]
    assert [line.split() for line in str(plan).splitlines()] == [
        ["layer", "kernel", "window", "amplification"],
        ["0", "3x3", "->", "7x7", "hamming", "(frozen:", "keeps", "its", "function)", "1.7"],
        ["1", "3x3", "->", "7x7", "hamming", "1.0"],
    ]
    assert plan.replaced == ("0.weight", "1.weight")
    assert plan_conversion(nn.Conv2d(2, 4, 3, padding=1), kernel_size=7).replaced == ("weight",)


@quiet
def test_a_frozen_filter_that_does_not_grow_gets_the_window_that_was_asked_for():
    layer = sobel()
    windowed = convert(layer)
    assert torch.equal(windowed.weight, layer.weight)
    x = torch.rand(2, 1, 12, 12)
    assert_close(windowed(x), F.conv2d(x, windowed.effective_weight, padding=1))
    assert plan_conversion(layer).layers[0].reason == ""


def test_a_frozen_filter_whose_taps_fall_on_zeros_is_refused_by_name():
    model = nn.Sequential(nn.Identity(), sobel())
    text = "layer '1': frozen: keeps its function with a window that is zero at some of 5x5 taps; allowed: .*exclude"
    with pytest.raises(InputError, match=text):
        convert(model, window=torch.tensor([1.0, 0, 1, 0, 1]), kernel_size=5)
    large = sobel().half()
    large.weight.mul_(1e4)
    with (
        pytest.warns(WindowWarning, match="nearly closes"),
        pytest.raises(InputError, match=r"layer '1': preserve=True \(frozen: keeps its function\) in torch.float16"),
    ):
        convert(nn.Sequential(nn.Identity(), large), window=("gaussian", 0.3), kernel_size=5)


# --- copies -----------------------------------------------------------------------------------------------------------


def pairs() -> dict[str, Any]:
    online = network()
    frozen = copy.deepcopy(online).requires_grad_(False)
    average = AveragedModel(online)
    return {
        "target": nn.ModuleDict({"online": online, "target": copy.deepcopy(online)}),
        "target-first": nn.ModuleDict({"target": copy.deepcopy(online), "online": copy.deepcopy(online)}),
        "frozen-target": nn.ModuleDict({"online": copy.deepcopy(online), "target": frozen}),
        "frozen-first": nn.ModuleDict({"target": copy.deepcopy(frozen), "online": copy.deepcopy(online)}),
        "average": nn.ModuleDict({"online": copy.deepcopy(online), "target": average}),
    }


@quiet
@pytest.mark.parametrize("options", [{}, {"preserve": True}, {"window": LearnableWindow()}], ids=str)
@pytest.mark.parametrize("name", pairs())
def test_copies_that_were_equal_stay_equal(name, options):
    pair = pairs()[name]
    x = torch.rand(2, 3, 12, 12)
    before = pair["online"](x)
    assert torch.equal(before, pair["target"](x))
    grown = convert(pair, kernel_size=7, **options)
    online, target = list(grown["online"].parameters()), list(grown["target"].parameters())
    assert all(torch.equal(a, b) and a is not b for a, b in zip(online, target, strict=True))
    assert torch.equal(grown["online"](x), grown["target"](x))
    kept = "frozen" in name or "preserve" in options
    assert torch.allclose(grown["online"](x), before, atol=1e-4) == kept  # drawn anew otherwise
    assert not torch.equal(grown["online"][0].weight[:, :3], grown["online"][2].weight[:, :3])


def test_the_plan_says_which_layers_are_copies_of_frozen_ones():
    plan = plan_conversion(pairs()["frozen-target"], kernel_size=7)
    assert plan.layers[0].reason == "equal to 'target.0', which is frozen: keeps its function"
    assert [layer.frozen for layer in plan.layers] == [False, False, True, True]


def test_layers_of_one_shape_are_drawn_independently():
    torch.manual_seed(0)
    model: Any = nn.Sequential(*[nn.Conv2d(4, 4, 3, padding=1) for _ in range(3)])
    grown = convert(model, kernel_size=7)
    weights = [layer.weight for layer in grown]
    assert not any(torch.equal(weights[i], weights[i - 1]) for i in range(3))


def test_one_seed_gives_two_models_one_result():
    online = network()
    target = copy.deepcopy(online)
    grown = []
    for model in (online, target):
        torch.manual_seed(5)
        grown.append(convert(model, kernel_size=7))
    assert all(torch.equal(a, b) for a, b in zip(grown[0].parameters(), grown[1].parameters(), strict=True))


# --- what is there already --------------------------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("window", ["hamming", ("kaiser", 5.0), LearnableWindow("gaussian")], ids=str)
@pytest.mark.parametrize("options", [{"kernel_size": 7}, {"kernel_size": {3: 7}}, {"preserve": True}], ids=str)
def test_a_second_conversion_with_the_same_arguments_changes_nothing(window, options):
    once = convert(network(), window=window, **options)
    for parameter in once.parameters():  # as if it had been trained
        parameter.data += 0.1 * torch.rand_like(parameter)
    state = copy.deepcopy(once.state_dict())
    x = torch.rand(2, 3, 12, 12)
    expected = once(x)
    parameters = list(once.parameters())
    assert convert(once, window=window, inplace=True, **options) is once
    assert all(a is b for a, b in zip(once.parameters(), parameters, strict=True))
    assert all(torch.equal(once.state_dict()[key], value) for key, value in state.items())
    assert torch.equal(once(x), expected)
    reasons = {layer.reason for layer in plan_conversion(once, window=window, **options).layers}
    assert reasons == {"has this window already"}


@quiet
def test_a_second_conversion_grows_on_and_keeps_the_function_if_asked():
    once = convert(network(), kernel_size=5)
    x = torch.rand(2, 3, 12, 12)
    twice = convert(once, window=("kaiser", 4.0), kernel_size=9, preserve=True)
    assert twice[0].kernel_size == (9, 9)
    assert_close(twice(x), once(x), scale=20)
    again = convert(fold(twice), kernel_size=11, preserve=True)
    assert_close(again(x), once(x), scale=20)


class Named(WindowedConv2d):
    """A user's subclass of a windowed layer, with a constructor alone."""

    def __init__(self) -> None:
        super().__init__(3, 4, 5, padding=2)


@quiet
def test_a_subclass_of_a_windowed_layer_is_converted_too():
    layer = Named()
    x = torch.rand(1, 3, 9, 9)
    kept = convert(layer, window=("kaiser", 4.0), kernel_size=7, preserve=True)
    assert type(kept) is Named
    assert str(kept.window) == "kaiser(4.0)"
    assert_close(kept(x), layer(x), scale=10)


# --- layers without channels ------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors is a no-op:UserWarning")
@quiet
@pytest.mark.parametrize("algorithm", ["auto", "fft"])
@pytest.mark.parametrize(
    "options",
    [{}, {"kernel_size": 7}, {"kernel_size": 7, "preserve": True}, {"window": LearnableWindow(per_channel=True)}],
    ids=str,
)
def test_a_layer_without_input_channels_convolves_as_torchs(options, algorithm):
    model: Any = nn.ModuleList([nn.Conv2d(0, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)])
    x = torch.rand(2, 0, 9, 9)
    converted = convert(model, **options)
    converted[0].algorithm = algorithm
    assert converted[0].kernel_size == converted[1].kernel_size
    for layer in (converted[0], fold(converted)[0]):
        assert torch.equal(layer(x), model[0](x))  # torch 2.15 gives no channels here, not the bias


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors is a no-op:UserWarning")
@quiet
@pytest.mark.parametrize(
    "options",
    [{}, {"kernel_size": 7}, {"kernel_size": 7, "preserve": True}, {"window": LearnableWindow(per_channel=True)}],
    ids=str,
)
@pytest.mark.parametrize("make", [nn.Conv2d, nn.ConvTranspose2d])
def test_a_layer_without_output_channels_is_converted_and_folded(make, options):
    model: Any = nn.Sequential(make(4, 0, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1))
    converted = convert(model, **options)
    assert converted[0].weight.numel() == 0
    assert converted[0].kernel_size == converted[1].kernel_size
    folded = fold(converted, trim=0.9)
    assert type(folded[0]) is make


# --- weights that cannot be drawn after -------------------------------------------------------------------------------


def test_weights_that_are_not_finite_are_named_and_leave_the_model_as_it_was():
    model = network()
    model[2].weight.data[0, 0, 0, 0] = torch.nan
    with pytest.raises(InputError, match=re.escape("layer '2': weight has 1 NaN or infinite values")):
        convert(model, kernel_size=7, inplace=True)
    assert [type(layer) for layer in model] == [nn.Conv2d, nn.ReLU, nn.Conv2d]


@pytest.mark.parametrize("kind", ["int8", "float8"])
def test_weights_of_a_byte_are_skipped_as_quantised(kind):
    dtype = {"int8": torch.int8, "float8": torch.float8_e4m3fn}[kind]
    model = network()
    model[0].weight = nn.Parameter(model[0].weight.detach().to(dtype), requires_grad=False)
    with pytest.warns(WindowWarning, match=r"1 convolutions skipped: 0 \(quantised: convert before\)"):
        converted = convert(model, kernel_size=7)
    assert type(converted[0]) is nn.Conv2d
