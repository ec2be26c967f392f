"""Conversion: what is converted, left and skipped, and what survives."""

import copy
from typing import Any

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.std_conv import StdConv2d
from torch import nn
from torch.nn.utils import parametrizations, prune

from cases import CASES, IDS, WINDOWED, Case
from reparametrized import WAYS
from tolerances import assert_close
from windowconv.conversion import convert
from windowconv.effective import effective_weight, weight_origin
from windowconv.errors import InputError, WindowWarning
from windowconv.folding import fold
from windowconv.layers import WindowedConv2d
from windowconv.learnable import LearnableWindow
from windowconv.plan import plan_conversion
from windowconv.windowed import WindowedMixin
from windowconv.windows import get_window

quiet = pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")


def net(size: int = 3, **options: Any) -> Any:
    """Two convolutions whose output has the input's sides."""
    options = {"padding": size // 2, **options}
    return nn.Sequential(nn.Conv2d(3, 8, size, **options), nn.ReLU(), nn.Conv2d(8, 8, size, **options))


def actions(model, **arguments) -> dict[str, str]:
    return {layer.name: layer.action for layer in plan_conversion(model, **arguments).layers}


# --- what is converted, left and skipped ------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=IDS)
@quiet
def test_every_convolution_becomes_its_windowed_class(case: Case):
    plain = case.plain()
    got = convert(nn.Sequential(plain), window=case.window, include="0")[0]
    assert type(got) is WINDOWED[case.key]
    assert torch.equal(got(case.input()), case.windowed()(case.input()))
    assert list(got.state_dict()) == list(plain.state_dict())
    assert torch.equal(got.weight, plain.weight)


def test_a_convolution_alone_is_converted_too():
    layer = nn.Conv2d(3, 8, 5, padding=2)
    got = convert(layer, kernel_size=9)
    assert isinstance(got, WindowedConv2d)
    assert isinstance(layer, nn.Conv2d)
    assert not isinstance(layer, WindowedMixin)


def test_the_original_is_untouched_unless_inplace():
    model = net(5)
    state = copy.deepcopy(model.state_dict())
    attributes = copy.deepcopy({key: value for key, value in vars(model[0]).items() if key[0] != "_"})
    converted = convert(model, kernel_size=9)
    assert converted is not model
    assert [type(layer) for layer in model] == [nn.Conv2d, nn.ReLU, nn.Conv2d]
    assert {key: value for key, value in vars(model[0]).items() if key[0] != "_"} == attributes
    assert all(torch.equal(model.state_dict()[key], value) for key, value in state.items())
    layer = model[0]
    assert convert(model, inplace=True) is model
    assert model[0] is layer
    assert isinstance(layer, WindowedConv2d)


def test_an_error_leaves_a_model_that_is_converted_inplace_as_it_was():
    model = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.Conv2d(8, 8, 4))
    with pytest.raises(InputError, match="layer '1'"):
        convert(model, kernel_size=7, inplace=True)
    assert [type(layer) for layer in model] == [nn.Conv2d, nn.Conv2d]
    model = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.Conv2d(8, 8, 5)).half()
    with torch.no_grad():
        model[1].weight.fill_(60000)
    with pytest.raises(InputError, match="layer '1'"), pytest.warns(WindowWarning, match="amplifies"):
        convert(model, preserve=True, inplace=True)
    assert [type(layer) for layer in model] == [nn.Conv2d, nn.Conv2d]


def test_points_and_patches_are_left_alone():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 4, stride=4),
        nn.Conv2d(8, 8, 1),
        nn.Conv2d(8, 8, 1, stride=2),
        nn.Conv2d(8, 8, 5),
        nn.ConvTranspose2d(8, 8, 2, stride=2),
        nn.Conv2d(8, 8, (1, 5)),
        nn.Conv1d(8, 8, 16, stride=16),
        nn.Conv2d(8, 8, 4, stride=(4, 2)),
    )
    expected = ["leave", "leave", "leave", "window", "leave", "window", "leave", "window"]
    assert list(actions(model).values()) == expected
    assert actions(model, include="0") == {"0": "window"}
    assert actions(model, include=["1", "3"]) == {"1": "leave", "3": "window"}
    reasons = {layer.reason for layer in plan_conversion(model).layers}
    assert reasons == {"", "one tap", "non-overlapping patches"}


class Own(nn.Conv2d):
    """A user's layer with a forward pass of its own."""

    def forward(self, input):
        return 2 * super().forward(input)


class OwnInner(nn.Conv2d):
    """One that changes how torch's forward pass convolves."""

    def _conv_forward(self, input, weight, bias):
        return super()._conv_forward(input, 2 * weight, bias)


class Renamed(nn.Conv2d):
    """One that changes the constructor alone (as torchvision's Conv3DSimple)."""

    extra = 3

    def __init__(self, channels: int):
        super().__init__(channels, channels, 5, padding=2)

    @staticmethod
    def helper() -> int:
        return 1


def replaced_forward() -> nn.Module:
    layer = nn.Conv2d(4, 4, 5, padding=2)
    layer.forward = lambda input: input
    return layer


ODD = {
    "same": lambda: Conv2dSame(4, 4, 5),
    "std": lambda: StdConv2d(4, 4, 5, padding=2),
    "weight_norm": lambda: parametrizations.weight_norm(nn.Conv2d(4, 4, 5, padding=2)),
    "weight_norm-old": lambda: nn.utils.weight_norm(nn.Conv2d(4, 4, 5, padding=2)),
    "spectral_norm": lambda: parametrizations.spectral_norm(nn.Conv2d(4, 4, 5, padding=2)),
    "spectral_norm-old": lambda: nn.utils.spectral_norm(nn.Conv2d(4, 4, 5, padding=2)),
    "lazy": lambda: nn.LazyConv2d(4, 5, padding=2),
    "pruned": lambda: prune.l1_unstructured(nn.Conv2d(4, 4, 5, padding=2), "weight", 0.5),
    "own": lambda: Own(4, 4, 5, padding=2),
    "own-inner": lambda: OwnInner(4, 4, 5, padding=2),
    "replaced": replaced_forward,
}
REASONS = {
    "same": "Conv2dSame overrides forward",
    "std": "StdConv2d overrides forward",
    "lazy": "lazy",
    "own": "Own overrides forward",
    "own-inner": "OwnInner overrides _conv_forward",
    "replaced": "replaced forward method",
}


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.spectral_norm` is deprecated:FutureWarning")
@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_converted_is_skipped_listed_and_still_works(name):
    model = nn.Sequential(ODD[name](), nn.Conv2d(4, 4, 5, padding=2)).eval()
    kind = type(model[0])
    with pytest.warns(WindowWarning, match=r"1 convolutions skipped: 0 \(") as caught:
        converted = convert(model, kernel_size=7, inplace=True)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert REASONS.get(name, "computed weight") in str(caught[0].message)
    assert type(converted[0]) is kind
    assert isinstance(converted[1], WindowedConv2d)
    x = torch.rand(1, 4, 9, 9)
    assert converted(x).shape == x.shape
    folded = fold(converted, inplace=True)
    assert [type(layer) for layer in folded] == [nn.Conv2d if name == "lazy" else kind, nn.Conv2d]


def test_a_subclass_with_a_constructor_alone_is_converted_and_comes_back():
    model = nn.Sequential(Renamed(4), nn.Conv2d(4, 4, 5, padding=2))
    converted = convert(model)
    assert isinstance(converted[0], WindowedConv2d)
    again = convert(copy.deepcopy(converted), window=("kaiser", 5.0))
    for one in (converted, again):
        folded = fold(one)
        assert [type(layer) for layer in folded] == [Renamed, nn.Conv2d]
        x = torch.rand(1, 4, 9, 9)
        assert_close(folded(x), one(x))
        assert vars(folded[0]).keys() == vars(model[0]).keys()


@pytest.mark.compatibility(
    "torch",
    "convert of layers with a computed weight",
    outcome="refused",
    note="skipped, and named: convert, then register",
)
@quiet
@pytest.mark.parametrize("way", WAYS)
def test_computed_weights_are_named_and_converting_before_works(way):
    model = nn.Sequential(WAYS[way](nn.Conv2d(4, 4, 5, padding=2)), nn.Conv2d(4, 4, 5))
    plan = plan_conversion(model)
    what = "computed bias (WeightNorm)" if way == "bias" else f"computed weight ({weight_origin(model[0])})"
    assert (plan.layers[0].action, plan.layers[0].reason) == ("skip", f"{what}: convert before")
    before: Any = convert(nn.Sequential(nn.Conv2d(4, 4, 5, padding=2)))
    WAYS[way](before[0])
    x = torch.rand(1, 4, 9, 9)
    before.eval()
    before(x)
    assert_close(nn.functional.conv2d(x, effective_weight(before[0]), before[0].bias, padding=2), before(x), scale=8)


@pytest.mark.parametrize("inplace", [False, True])
def test_a_pruned_bias_is_no_obstacle(inplace):
    model = nn.Sequential(prune.l1_unstructured(nn.Conv2d(4, 4, 5), "bias", 0.5))
    x = torch.rand(1, 4, 9, 9)
    converted = convert(model, inplace=inplace)
    assert isinstance(converted[0], WindowedConv2d)
    expected = nn.functional.conv2d(x, converted[0].effective_weight, model[0].bias)
    assert_close(converted(x), expected)
    folded = fold(converted, inplace=inplace)
    assert type(folded[0]) is nn.Conv2d
    assert_close(folded(x), expected)
    assert model(x).shape == (1, 4, 5, 5)


def test_include_and_exclude():
    model = nn.Sequential()
    for name in ("stem", "layer1", "layer10"):
        model.add_module(name, net(5))
    everything = set(actions(model))
    assert everything == {f"{a}.{b}" for a in ("stem", "layer1", "layer10") for b in (0, 2)}
    assert set(actions(model, include="stem")) == {"stem.0", "stem.2"}
    assert set(actions(model, include="layer1")) == {"layer1.0", "layer1.2"}
    assert set(actions(model, include="layer1*")) == everything - {"stem.0", "stem.2"}
    assert set(actions(model, include=["stem.0", "layer10.*"])) == {"stem.0", "layer10.0", "layer10.2"}
    assert set(actions(model, include=lambda name, layer: layer.in_channels == 3)) == {
        "stem.0",
        "layer1.0",
        "layer10.0",
    }
    assert set(actions(model, exclude="stem")) == everything - {"stem.0", "stem.2"}
    assert set(actions(model, include="layer1", exclude=lambda name, layer: name.endswith("2"))) == {"layer1.0"}
    converted = convert(model, include="stem")
    assert {name for name, m in converted.named_modules() if isinstance(m, WindowedMixin)} == {"stem.0", "stem.2"}


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (nn.Linear(3, 3), {}, "model=Linear; allowed: a model with convolutions"),
        (nn.Conv2d(3, 8, 1), {}, "with layers to convert .one tap"),
        (net(5), {"include": "convv"}, "include='convv'; allowed"),
        (net(5), {"exclude": ["0", "7"]}, "exclude='7'; allowed"),
        (net(5), {"include": lambda name, layer: False}, "include selects none of 2"),
        (net(5), {"include": 3}, "include=3; allowed"),
        (net(5), {"exclude": "*"}, "with layers to convert .all are excluded"),
        (net(5), {"kernel_size": 0}, "kernel_size=0; allowed"),
        (net(5), {"kernel_size": -7}, "kernel_size=-7; allowed"),
        (net(5), {"kernel_size": True}, "kernel_size=True; allowed"),
        (net(5), {"kernel_size": 7.0}, "kernel_size=7.0; allowed"),
        (net(5), {"kernel_size": {3: 7}}, r"allowed: sizes of the model's layers, \[5\]"),
        (net(5), {"kernel_size": {5: 3}}, "layer '0': kernel_size=3x3 would shrink its 5x5 kernel"),
        (net(5), {"kernel_size": {5: 7.5}}, "layer '0': .*one int an axis"),
        (net(5), {"kernel_size": lambda name, layer: (7, 7, 7)}, "layer '0': .*one int an axis"),
        (net(5), {"kernel_size": lambda name, layer: 0}, "layer '0': kernel_size=0x0 would shrink"),
        (net(5), {"window": "haming"}, "did you mean 'hamming'"),
        (net(5), {"window": torch.rand(3, 3)}, "layer '0': .*window.shape=.*the kernel's size"),
        (net(5), {"window": ("dpss", 3.0)}, "layer '0': window=.* cannot be computed"),
        (net(5), {"window": ["hamming"] * 3}, "layer '0': .*allowed: 2 windows"),
        (net(5), {"window": "hann", "preserve": True}, "layer '0': .*a window that is zero"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_wrong_arguments(model, arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        convert(model, **arguments)
    assert "\n" not in str(caught.value)


# --- what survives ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"kernel_size": 9}, {"preserve": True, "kernel_size": 9}], ids=str)
@quiet
def test_hooks_gradients_and_training_mode_survive(options):
    model = net(5)
    calls = []
    model[0].register_forward_hook(lambda *_: calls.append("forward"))
    model[0].register_forward_pre_hook(lambda *_: calls.append("before"))
    model[2].register_full_backward_hook(lambda *_: calls.append("backward"))
    model[0].weight.requires_grad_(False)
    model[2].eval()
    model[0].note = "mine"
    for one in (convert(model, **options), convert(model, inplace=True, **options)):
        calls.clear()
        one(torch.rand(1, 3, 9, 9)).sum().backward()
        assert calls == ["before", "forward", "backward"]
        assert [one[0].weight.requires_grad, one[2].weight.requires_grad] == [False, True]
        assert [one.training, one[0].training, one[2].training] == [True, True, False]
        assert one[0].note == "mine"
        assert one[0].weight.grad is None


@quiet
def test_shared_modules_stay_one():
    layer = nn.Conv2d(4, 4, 5, padding=2)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    x = torch.rand(1, 4, 12, 12, dtype=torch.float64)
    expected = model.double()(x)
    for options in ({}, {"kernel_size": 9}, {"kernel_size": 9, "preserve": True}):
        converted = convert(model, **options)
        assert converted[0] is converted[2]
        assert len(list(converted.parameters())) == 2
        assert len(plan_conversion(model, **options).layers) == 1
        folded = fold(converted)
        assert folded[0] is folded[2]
        assert_close(folded(x), converted(x))
    assert_close(convert(model, kernel_size=9, preserve=True)(x), expected, scale=10)


@quiet
@pytest.mark.parametrize("options", [{}, {"kernel_size": 9}, {"preserve": True}, {"preserve": True, "kernel_size": 9}])
def test_tied_weights_stay_tied(options):
    model = nn.Sequential(nn.Conv2d(4, 4, 5, padding=2), nn.Conv2d(4, 4, 5, padding=2), nn.ConvTranspose2d(4, 4, 5))
    model[1].weight = model[2].weight = model[0].weight
    x = torch.rand(1, 4, 12, 12, dtype=torch.float64)
    expected = model.double()(x)
    converted = convert(model, **options)
    assert converted[0].weight is converted[1].weight is converted[2].weight
    if options.get("preserve"):
        assert_close(converted(x), expected, scale=10)
    folded = fold(converted)
    assert folded[0].weight is folded[1].weight is folded[2].weight
    assert_close(folded(x), converted(x))
    again = convert(model, inplace=True, **options)
    assert again[0].weight is again[1].weight


def test_tied_weights_that_would_differ_are_refused():
    model = nn.Sequential(nn.Conv2d(4, 4, 5, padding=2), nn.Conv2d(4, 4, 5, padding=2))
    model[1].weight = model[0].weight
    with pytest.raises(InputError, match="layers '0' and '1' share a weight"):
        convert(model, kernel_size=9, exclude="1")
    assert convert(model, exclude="1")[0].weight.shape == (4, 4, 5, 5)


@quiet
def test_converting_again_changes_the_window():
    model = convert(net(5))
    again = convert(model, window=("kaiser", 6.0))
    assert str(again[0].window) == "kaiser(6.0)"
    assert torch.equal(again[0].weight, model[0].weight)
    x = torch.rand(1, 3, 9, 9)
    kept = convert(model.double(), window=("kaiser", 6.0), kernel_size=9, preserve=True)
    assert_close(kept(x.double()), model(x.double()), scale=10)


def test_a_converted_model_moves_and_loads_as_any_other():
    model = net(5)
    converted = convert(model)
    converted.load_state_dict(model.state_dict())
    model.load_state_dict(converted.state_dict())
    twin = copy.deepcopy(converted).half().double()
    assert torch.equal(twin[0].window_values, get_window("hamming", (5, 5), dtype=torch.float64))
    with torch.device("meta"):
        empty = convert(net(5), kernel_size=9, window=LearnableWindow(), preserve=False)
    assert empty[0].weight.is_meta
    empty.to_empty(device="cpu")
