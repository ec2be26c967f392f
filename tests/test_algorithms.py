"""Algorithms of whole models: set, reported, recorded and pinned."""

import copy
import json
import pickle
from collections import OrderedDict
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils import parametrizations

from tolerances import assert_close
from windowconv.algorithms import algorithm_report, set_algorithm
from windowconv.conversion import convert
from windowconv.dispatch import layer_problem
from windowconv.errors import InputError, WindowWarning
from windowconv.fftconv import choice, rewriting
from windowconv.fftconv.tile_plan import make_plan
from windowconv.folding import fold
from windowconv.layers import WindowedConv2d, WindowedConvTranspose2d
from windowconv.windowed import WindowedMixin

X = torch.rand(2, 3, 16, 16)


def net() -> Any:
    """A stem, a block, a pointwise layer and patches."""
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(3, 8, 5, padding=2, stride=2),
            block=nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
            point=nn.Conv2d(8, 8, 1),
            patches=nn.Conv2d(8, 4, 2, stride=2),
        )
    )


def settings(model: nn.Module) -> dict[str, str]:
    """Each windowed layer's algorithm."""
    return {name: m.algorithm for name, m in model.named_modules() if isinstance(m, WindowedMixin)}


@pytest.mark.parametrize("algorithm", ["auto", "fft"])
def test_plain_layers_are_set_where_they_stand(algorithm, monkeypatch):
    monkeypatch.setattr(choice, "choose", lambda *args: "fft")
    model, plain = net(), net()
    stem = model.stem
    assert set_algorithm(model, algorithm) is model
    assert model.stem is stem
    assert isinstance(stem, WindowedConv2d)
    assert settings(model) == {"stem": algorithm, "block.0": algorithm}
    assert list(model.state_dict()) == list(plain.state_dict())
    assert_close(model(X), plain(X), scale=3)
    plain.load_state_dict(model.state_dict())
    folded = fold(model)
    assert [type(m) for m in folded.modules()] == [type(m) for m in plain.modules()]
    assert vars(folded.stem).keys() == vars(plain.stem).keys()


def test_direct_leaves_plain_layers_plain():
    model = set_algorithm(net(), "direct")
    assert settings(model) == {}
    assert settings(set_algorithm(set_algorithm(model, "auto"), "direct")) == {"stem": "direct", "block.0": "direct"}


def test_windows_stay_and_conversion_keeps_algorithms():
    model: Any = set_algorithm(convert(net(), kernel_size=7), "fft")
    assert {str(m.window) for m in model.modules() if isinstance(m, WindowedMixin)} == {"hamming"}
    again = convert(model, window=("kaiser", 5.0), kernel_size=9)
    assert settings(again) == {"stem": "fft", "block.0": "fft"}
    assert again.stem.kernel_size == (9, 9)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert settings(twin) == settings(model)
        assert torch.equal(twin(X), model(X))


@pytest.mark.parametrize(
    ("algorithm", "options", "expected"),
    [
        ("fft", {"include": "block"}, {"block.0": "fft"}),
        ("fft", {"include": ["st*"]}, {"stem": "fft"}),
        ("fft", {"include": lambda name, layer: layer.kernel_size == (3, 3)}, {"block.0": "fft"}),
        ("fft", {"exclude": "block.*"}, {"stem": "fft"}),
        ("fft", {"include": "*", "exclude": ["stem"]}, {"block.0": "fft", "patches": "fft"}),
        ({"stem": "fft", "*": "auto"}, {}, {"stem": "fft", "block.0": "auto", "patches": "auto"}),
        ({"*": "auto", "stem": "fft"}, {}, {"stem": "auto", "block.0": "auto", "patches": "auto"}),
        ({"block": "fft"}, {}, {"block.0": "fft"}),
        ({"block": "direct"}, {}, {}),
        ({"*": "fft"}, {"include": "stem"}, {"stem": "fft"}),
        ({}, {}, {}),
    ],
    ids=[f"case{i}" for i in range(11)],
)
def test_patterns(algorithm, options, expected):
    assert settings(set_algorithm(net(), algorithm, **options)) == expected


def test_a_layer_alone():
    assert set_algorithm(nn.Conv2d(3, 4, 5), "fft").algorithm == "fft"
    assert set_algorithm(nn.Conv2d(3, 4, 5), {"": "fft"}).algorithm == "fft"


def test_shared_layers_and_hooks_survive():
    layer, seen = nn.Conv2d(4, 4, 3, padding=1), []
    layer.register_forward_hook(lambda *args: seen.append(1))
    layer.weight.requires_grad_(False)
    model = set_algorithm(nn.Sequential(layer, layer), "fft")
    assert model[0] is model[1] is layer
    model(torch.rand(1, 4, 6, 6))
    assert seen == [1, 1]
    assert not layer.weight.requires_grad


def test_skipped_layers_are_named_in_one_warning():
    model = net()
    model.append(parametrizations.weight_norm(nn.Conv2d(4, 4, 3)))
    model.append(nn.ConvTranspose2d(4, 4, 3))
    model.append(WindowedConvTranspose2d(4, 4, 3, window=None))
    with pytest.warns(WindowWarning, match=r"3 convolutions skipped: 4 \(computed weight.*5 \(transposed: al") as w:
        set_algorithm(model, "fft")
    assert len(w) == 1
    assert w[0].filename == __file__
    assert settings(model) == {"stem": "fft", "block.0": "fft", "6": "auto"}
    with pytest.warns(WindowWarning, match=r"1 convolutions skipped: 4"):
        set_algorithm(model, "auto")
    assert type(model[5]) is nn.ConvTranspose2d
    set_algorithm(model, {"6": "direct"})
    assert model[6].algorithm == "direct"


@pytest.mark.parametrize(
    ("model", "algorithm", "options", "message"),
    [
        (net(), "ftt", {}, "algorithm='ftt'; allowed: .*did you mean 'fft'"),
        (net(), {"stem": "ftt"}, {}, "algorithm='ftt'; allowed"),
        (net(), None, {}, "algorithm=None; allowed"),
        (net(), {"sten": "fft"}, {}, "algorithm='sten'; allowed: .*did you mean 'stem'"),
        (net(), "fft", {"include": "sten"}, "include='sten'; allowed"),
        (net(), "fft", {"exclude": "sten"}, "exclude='sten'; allowed"),
        (nn.Linear(3, 3), "fft", {}, "model=Linear has no convolutions"),
    ],
    ids=str,
)
def test_wrong_arguments(model, algorithm, options, message):
    with pytest.raises(InputError, match=message):
        set_algorithm(model, algorithm, **options)
    assert settings(model) == {}


def test_an_error_changes_nothing():
    model = net()
    with pytest.raises(InputError, match="'nothing'; allowed"):
        set_algorithm(model, {"stem": "fft", "nothing": "fft"})
    assert type(model.stem) is nn.Conv2d


# --- reports ----------------------------------------------------------------------------------------------------------


def test_a_report_says_how_each_layer_goes(monkeypatch):
    asked = []
    monkeypatch.setattr(
        choice,
        "choose",
        lambda problem, *args: (asked.append(args), "fft" if problem.in_channels == 3 else "direct")[1],
    )
    model = set_algorithm(net(), {"stem": "auto", "block": "auto"})
    state, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.block.eval().modules()]
    report = algorithm_report(model, X)
    assert [(la.name, la.algorithm, la.choice) for la in report.layers] == [
        ("stem", "auto", "fft"),
        ("block.0", "auto", "direct"),
        ("point", "torch", "direct"),
        ("patches", "torch", "direct"),
    ]
    assert (report.layers[0].input, report.layers[0].weight) == ((2, 3, 16, 16), (8, 3, 5, 5))
    assert "tiles of" in report.layers[0].plan
    assert [len(line.split("  ")) > 1 for line in str(report).splitlines()] == [True] * 5
    assert report.pins == {"stem": "fft", "block.0": "direct", "point": "direct", "patches": "direct"}
    # each is asked for the report, then in the pass itself, which has no gradients
    assert [training for *_, training in asked] == [True, False] * 2
    # the model is as it was, and not watched any more
    assert all(torch.equal(model.state_dict()[key], value) for key, value in state.items())
    assert [m.training for m in model.block.modules()] == modes
    assert model.training
    assert not any(m._forward_pre_hooks for m in model.modules())
    algorithm_report(model.eval(), X)
    algorithm_report(model, X, training=True)
    assert [training for *_, training in asked[4::2]] == [False, False, True, True]


def test_pins_make_the_same_choice_again_in_a_new_model(monkeypatch):
    monkeypatch.setattr(choice, "choose", lambda problem, *args: "fft" if problem.in_channels == 3 else "direct")
    model = set_algorithm(net(), "auto")
    recorded = json.dumps(algorithm_report(model, X).pins)
    monkeypatch.setattr(choice, "choose", lambda *args: pytest.fail("asked"))
    for again in (set_algorithm(net(), json.loads(recorded)), set_algorithm(model, json.loads(recorded))):
        assert json.dumps(algorithm_report(again, X).pins) == recorded
        assert settings(again)["stem"] == "fft"


def test_a_report_of_several_sizes_and_of_layers_that_are_not_called(monkeypatch):
    monkeypatch.setattr(choice, "choose", lambda problem, *args: "fft" if problem.axes[0].size > 9 else "direct")

    class Pyramid(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = WindowedConv2d(3, 3, 5, padding=2)
            self.idle = WindowedConv2d(3, 3, 5, algorithm="fft")

        def forward(self, x, *, scale):
            return self.layer(input=x).sum() + self.layer(x[..., ::scale, ::scale]).sum() + self.layer(x).sum()

    report = algorithm_report(Wrapped(Pyramid()), X)
    assert [(la.name, la.choice, la.input[2:]) for la in report.layers] == [
        ("inner.layer", "fft", (16, 16)),
        ("inner.layer", "direct", (8, 8)),
        ("inner.idle", "not called", ()),
    ]
    assert report.pins == {"inner.layer": "fft"}
    assert str(report).splitlines()[-1].split() == ["inner.idle", "-", "-", "fft", "not", "called"]


class Wrapped(nn.Module):
    """Gives its model a keyword."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x, scale=2)


def test_a_report_sees_autocast():
    model = set_algorithm(net(), "auto")
    seen = []

    def spy(problem, dtype, *args):
        seen.append(dtype)
        return "direct"

    with pytest.MonkeyPatch.context() as patch, torch.autocast("cpu", torch.bfloat16):
        patch.setattr(choice, "choose", spy)
        algorithm_report(model, X)
    assert set(seen) == {torch.bfloat16}


def test_a_failing_model_is_left_as_it_was():
    model = net()
    with pytest.raises(RuntimeError, match="expected input"):
        algorithm_report(model, X[:, :2])
    assert model.training
    assert not any(m._forward_pre_hooks for m in model.modules())
    with pytest.raises(InputError, match="model=Linear has no convolutions"):
        algorithm_report(nn.Linear(3, 3), X)


def test_the_plan_is_that_of_what_is_carried_out():
    """Two outputs for each input go as two inputs."""
    layer, x = WindowedConv2d(4, 8, 7, groups=4, padding=3, algorithm="fft"), torch.rand(1, 4, 32, 32)
    (*_, step) = rewriting.rewrite(layer_problem(layer, x))
    assert step.after != layer_problem(layer, x)
    assert algorithm_report(layer, x).layers[0].plan == str(make_plan(step.after))


# --- a real network ---------------------------------------------------------------------------------------------------


def test_resnet18(monkeypatch):
    monkeypatch.setattr(choice, "choose", lambda *args: "fft")
    torch.manual_seed(0)
    plain = torchvision.models.resnet18(num_classes=5)
    x = torch.rand(2, 3, 40, 36)
    expected = plain(x)
    expected.square().sum().backward()
    expected_grad = plain.conv1.weight.grad
    for algorithm in ("fft", "auto"):
        model = set_algorithm(copy.deepcopy(plain), algorithm)
        model.zero_grad()
        got = model(x)
        assert len(settings(model)) == 17  # all but the three pointwise ones
        assert list(model.state_dict()) == list(plain.state_dict())
        assert_close(got, expected, scale=10)
        got.square().sum().backward()
        assert_close(model.conv1.weight.grad, expected_grad, scale=300)
        report = algorithm_report(model, x)
        assert sum(layer.choice == "fft" for layer in report.layers) == 17
        pinned = set_algorithm(copy.deepcopy(plain), json.loads(json.dumps(report.pins)))
        assert set(settings(pinned).values()) == {"fft"}
        pinned.load_state_dict(model.state_dict())
        assert torch.equal(pinned.eval()(x), model.eval()(x))
        assert_close(fold(model)(x), model(x), scale=10)
