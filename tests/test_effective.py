"""What a layer convolves with, against torch's plain layer that carries it."""

import copy
from typing import Any

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.std_conv import ScaledStdConv2d, ScaledStdConv2dSame, StdConv2d, StdConv2dSame
from torch import nn
from torch.nn import functional as F

import windowconv
from cases import ONE_OF_EACH, Case
from reparametrized import WAYS, changed
from tolerances import assert_close
from windowconv import effective
from windowconv.effective import effective_weight, register_weight, weight_origin
from windowconv.errors import InputError
from windowconv.layers import PLAIN, WindowedConv2d
from windowconv.learnable import LearnableWindow

X = torch.randn(2, 4, 12, 12, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    monkeypatch.setattr(effective, "_registered", dict(effective._registered))


def carrying(layer: Any) -> nn.Module:
    """Torch's plain layer with the weight that `effective_weight` says."""
    base = next(c for c in type(layer).__mro__ if c.__module__ == "torch.nn.modules.conv")
    options = {"output_padding": layer.output_padding} if layer.transposed else {}
    plain = base(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
        padding_mode=layer.padding_mode,
        **options,
    )
    plain.weight = nn.Parameter(effective_weight(layer), requires_grad=False)
    plain.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach())
    return plain


@pytest.mark.compatibility("torch", "weight_norm, spectral_norm, orthogonal, parametrize, pruning of windowed layers")
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
@pytest.mark.parametrize("way", ["none", *WAYS])
@pytest.mark.parametrize("windowed", [False, True], ids=["plain", "windowed"])
def test_torchs_plain_layer_with_this_weight_computes_the_same(case: Case, way, windowed):
    layer = case.windowed() if windowed else case.plain()
    layer = changed(WAYS[way](layer) if way != "none" else layer).eval()
    plain = carrying(layer)  # before the call, which refreshes what hooks compute
    assert_close(plain(case.input()), layer(case.input()), scale=8)


def test_learnable_windows_count():
    layer = changed(WindowedConv2d(4, 6, 5, window=LearnableWindow(per_channel=True)))
    assert torch.equal(effective_weight(layer), layer.effective_weight)


@pytest.mark.parametrize("way", WAYS)
def test_reading_changes_nothing_not_even_in_training_mode(way):
    layer = WAYS[way](nn.Conv2d(4, 6, 5)).train()
    held = {name: value for name, value in vars(layer).items() if isinstance(value, torch.Tensor)}
    before = copy.deepcopy(layer.state_dict())
    effective_weight(layer)
    assert layer.training
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
    assert all(vars(layer)[name] is value for name, value in held.items())


# --- weights computed in forward --------------------------------------------------------------------------------------


class Doubled(nn.Conv2d):
    """One that computes its weight where torch's forward takes it."""

    def _conv_forward(self, input, weight, bias):
        return super()._conv_forward(input, 2 * weight, bias)


class Counting(nn.Conv2d):
    """One that keeps a state of its own, in a buffer and an attribute."""

    calls = 0

    def __init__(self, *sizes: int):
        super().__init__(*sizes)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, input):
        self.calls += 1
        self.seen += 1
        return F.conv2d(input, self.weight - self.weight.mean(), self.bias)


def set_by_a_hook() -> nn.Module:
    layer = nn.Conv2d(4, 6, 5)
    layer.raw = nn.Parameter(layer.weight.detach().clone())
    del layer._parameters["weight"]
    layer.register_forward_pre_hook(lambda module, inputs: setattr(module, "weight", module.raw.tanh()))
    layer(X)
    return layer


def quantisation_aware() -> nn.Module:
    from torch.ao.nn.qat import Conv2d
    from torch.ao.quantization import get_default_qat_qconfig

    layer = Conv2d(4, 6, 5, qconfig=get_default_qat_qconfig("fbgemm"))
    return layer.apply(torch.ao.quantization.disable_observer)


COMPUTED = {
    "StdConv2d": lambda: StdConv2d(4, 6, 5, stride=2, padding=1),
    "ScaledStdConv2d": lambda: ScaledStdConv2d(4, 6, 5, padding=1, gain_init=1.5),
    "StdConv2d weight norm": lambda: WAYS["older weight_norm"](StdConv2d(4, 6, 5)),
    "_conv_forward": lambda: Doubled(4, 6, 5),
    "buffers": lambda: Counting(4, 6, 5),
    "hook": set_by_a_hook,
    "quantisation-aware": quantisation_aware,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", COMPUTED)
def test_weights_computed_in_forward(name):
    layer = changed(COMPUTED[name]()).eval()
    before, raw = copy.deepcopy({**layer.state_dict(), "calls": getattr(layer, "calls", 0)}), layer.weight.clone()
    weight = effective_weight(layer)
    for key, value in {**layer.state_dict(), "calls": getattr(layer, "calls", 0)}.items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(before[key]))
    assert_close(carrying(layer)(X), layer(X), scale=8)
    assert not torch.equal(weight, raw)


@pytest.mark.parametrize("kind", [StdConv2dSame, ScaledStdConv2dSame, Conv2dSame])
def test_padding_of_its_own_is_no_obstacle(kind):
    layer = changed(kind(4, 6, 5)).eval()
    assert_close(F.conv2d(X, effective_weight(layer), layer.bias, padding=2), layer(X), scale=8)


def test_a_standardised_weight_does_not_move_with_an_offset_of_the_raw_one():
    layer = StdConv2d(4, 6, 5)
    before = effective_weight(layer)
    with torch.no_grad():
        layer.weight.add_(1)
    torch.testing.assert_close(effective_weight(layer), before, rtol=0, atol=1e-4)


def test_a_forward_that_was_replaced_counts():
    layer: Any = nn.Conv2d(4, 6, 5)
    layer.forward = lambda input: F.conv2d(input, layer.weight.flip(-1), layer.bias)
    assert torch.equal(effective_weight(layer), layer.weight.flip(-1))


class Gated(nn.Conv2d):
    """Its weight depends on the input."""

    def forward(self, input):
        return F.conv2d(input, self.weight * input.mean(), self.bias)


class Spectral(nn.Conv2d):
    """No convolution of torch's."""

    def forward(self, input):
        return input


class Two(nn.Conv2d):
    """Two convolutions of the same shape."""

    def forward(self, input):
        return F.conv2d(input, self.weight) + F.conv2d(input, self.weight**2)


class Broken(nn.Conv2d):
    """One that cannot be called with images alone."""

    def forward(self, input):
        raise KeyError("mask")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (3, "layer=int; allowed: a torch.nn.Module"),
        (nn.Linear(2, 2), r"Linear is no convolution .*windowconv.register_weight\(Linear, function\)"),
        (Gated(4, 6, 5), "its weight depends on the input; allowed: after windowconv.register_weight"),
        (Spectral(4, 6, 5), "calls no convolution of torch's"),
        (Two(4, 6, 5), "calls 2 convolutions"),
        (Broken(4, 6, 5), "fails on a random input .'mask'."),
        (nn.LazyConv2d(6, 5), "no weight yet"),
        (StdConv2d(4, 6, 5, device="meta"), "no weight yet"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_what_cannot_be_had_is_refused_with_what_to_call_first(layer, message):
    with pytest.raises(InputError, match=message) as caught:
        effective_weight(layer)
    assert "\n" not in str(caught.value)
    if isinstance(layer, nn.Module):
        with pytest.raises(InputError, match=r"layer 'stem\.0'"):
            effective_weight(layer, "stem.0")


# --- registered classes -----------------------------------------------------------------------------------------------


class Sinc(nn.Module):
    """Filters computed from two frequencies a channel."""

    def __init__(self, filters: int = 3, taps: int = 101, stride: int = 1):
        super().__init__()
        self.low = nn.Parameter(torch.linspace(0.02, 0.2, filters))
        self.band = nn.Parameter(torch.full((filters,), 0.05))
        self.register_buffer("time", torch.arange(taps) - (taps - 1) / 2)
        self.stride = stride

    def filters(self) -> torch.Tensor:
        def low_pass(f):
            return 2 * f[:, None] * torch.sinc(2 * f[:, None] * self.time)

        window = torch.hamming_window(len(self.time), periodic=False, dtype=self.time.dtype)
        return ((low_pass(self.low + self.band) - low_pass(self.low)) * window)[:, None]

    def forward(self, input):
        return F.conv1d(input, self.filters(), stride=self.stride)


class MySinc(Sinc):
    """A subclass, for which the class's function serves too."""


def test_what_users_register_is_asked():
    with pytest.raises(InputError, match="register_weight"):
        effective_weight(Sinc())
    register_weight(Sinc, lambda layer: layer.filters())
    layer = MySinc()
    assert torch.equal(effective_weight(layer), layer.filters())
    assert not effective_weight(layer).requires_grad
    register_weight(MySinc, lambda layer: 2 * layer.filters())
    assert torch.equal(effective_weight(layer), 2 * layer.filters())
    assert windowconv.register_weight is register_weight


def fails(layer):
    raise KeyError("filters")


@pytest.mark.parametrize(
    ("kind", "function", "message"),
    [
        (Sinc(), len, "kind=Sinc"),
        (int, len, "kind=<class 'int'>; allowed: a class of torch.nn.Module"),
        (Sinc, 3, "weight=3; allowed: a function"),
        (Sinc, fails, "that register_weight has for Sinc fails .KeyError: 'filters'."),
        (Sinc, lambda layer: 3, "returns int; allowed: floats"),
        (Sinc, lambda layer: layer.low, r"returns torch.float32 \(3,\); allowed: floats .filters, channels, .kernel."),
        (Sinc, lambda layer: torch.ones(1, 1, 3, dtype=torch.int64), "returns torch.int64"),
    ],
)
def test_what_cannot_be_registered(kind, function, message):
    def register_and_ask():
        register_weight(kind, function)
        effective_weight(Sinc())

    with pytest.raises(InputError, match=message):
        register_and_ask()


def test_where_a_weight_comes_from_is_said():
    assert weight_origin(nn.Conv2d(1, 1, 3)) == weight_origin(WindowedConv2d(1, 1, 7)) == ""
    assert weight_origin(WAYS["weight_norm"](nn.Conv2d(1, 1, 3))) == "WeightNorm"
    assert weight_origin(WAYS["older spectral_norm"](nn.Conv2d(1, 1, 3))) == "SpectralNorm"
    assert weight_origin(WAYS["pruned"](nn.Conv2d(1, 1, 3))) == "L1Unstructured"
    assert weight_origin(StdConv2d(1, 1, 3)) == "StdConv2d.forward"
    assert weight_origin(set_by_a_hook()) == "a hook"
    assert all(weight_origin(kind(1, 1, 7)) == "" for pair in PLAIN.items() for kind in pair)


# --- what the docs say of windows and Lipschitz constants -------------------------------------------------------------

CLAIMED = ["hamming", "hann", "blackman", "nuttall", "blackmanharris", "flattop", ("gaussian", 1.5)]


def lipschitz(weight: torch.Tensor) -> float:
    transfer = torch.fft.fft2(weight, s=(96, 96)).permute(2, 3, 0, 1)
    return torch.linalg.matrix_norm(transfer, 2).max().item()


@pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")
@pytest.mark.parametrize("window", CLAIMED, ids=str)
def test_these_windows_do_not_raise_a_lipschitz_constant(window):
    generator = torch.Generator().manual_seed(0)
    for weight in torch.randn(50, 3, 2, 9, 9, generator=generator, dtype=torch.float64):
        weight[..., 4, 4] -= 3  # not smooth, and with an offset
        windowed = windowconv.apply_window(weight, window)
        assert lipschitz(windowed) <= lipschitz(weight) * (1 + 1e-3)  # the grid's
        columns = [torch.linalg.matrix_norm(w.flatten(1), 2).item() for w in (weight, windowed)]
        assert columns[1] <= columns[0] * (1 + 1e-12)


def test_a_window_of_peak_one_can_raise_it():
    signs = torch.randn(9, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64).sign()
    assert lipschitz(windowconv.apply_window(signs[None, None], signs)) > 2 * lipschitz(signs[None, None])
