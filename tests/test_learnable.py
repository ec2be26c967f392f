"""Learnable windows: their values at the start, their range, their gradients and their keys."""

import copy
import math
import warnings
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import get_window as scipy_window
from scipy.special import i0e
from torch import nn

from cases import ONE_OF_EACH, Case
from tolerances import assert_close
from windowconv import learnable
from windowconv.errors import InputError, WindowWarning
from windowconv.layers import WindowedConv2d, WindowedConvTranspose2d
from windowconv.learnable import FAMILIES, LearnableWindow
from windowconv.windowed import window_from_json
from windowconv.windows import get_window

KEY = "learnable_window.raw"
ALL = [
    LearnableWindow(family, per_channel=per_channel, kind=kind, normalize=normalize)
    for family in FAMILIES
    for per_channel in (False, True)
    for kind in ("separable", "radial")
    for normalize in ("none", "energy")
]
all_windows = pytest.mark.parametrize("window", ALL, ids=str)


def start(window: LearnableWindow, size) -> torch.Tensor:
    return window.module(size, 3, torch.float64)().detach()


@pytest.mark.parametrize("size", [(7,), (7, 7), (5, 9), (1, 7), (3, 5, 7), (4, 6)])
@pytest.mark.parametrize(
    ("window", "scipys"),
    [
        (LearnableWindow(), "hamming"),
        (LearnableWindow("cosine", (0.42, 0.5, 0.08)), "blackman"),
        (LearnableWindow("cosine", (0.7, 0.3)), ("general_hamming", 0.7)),
        (LearnableWindow("kaiser"), ("kaiser", 5.0)),
        (LearnableWindow("kaiser", (8.6,)), ("kaiser", 8.6)),
        (LearnableWindow("gaussian", (1.3,)), ("gaussian", 1.3)),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_start_is_scipys(window, scipys, size):
    expected = np.ones(())
    for n in size:
        expected = np.multiply.outer(expected, scipy_window(scipys, n, fftbins=False))
    np.testing.assert_allclose(start(window, size)[0].numpy(), expected, atol=1e-12)


@pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")
@pytest.mark.parametrize("normalize", ["none", "peak", "sum", "energy"])
@pytest.mark.parametrize("size", [7, (7, 7), (6, 6), (5, 5, 5)])
def test_normalizations_are_those_of_fixed_windows(normalize, size):
    sizes = (size,) if isinstance(size, int) else size
    expected = get_window(("kaiser", 5.0), size, normalize=normalize, dtype=torch.float64)
    assert_close(start(LearnableWindow("kaiser", normalize=normalize), sizes)[0], expected)


def test_radial_is_the_profile_at_the_radius():
    got = start(LearnableWindow("gaussian", (1.5,), kind="radial"), (7, 7))[0]
    for i in range(7):
        for j in range(7):
            taps = min(math.hypot((i - 3) / 3, (j - 3) / 3), 1) * 3
            assert got[i, j].item() == pytest.approx(math.exp(-0.5 * (taps / 1.5) ** 2), abs=1e-14)


def test_the_gaussian_starts_with_hammings_edge_on_the_longest_axis():
    got = start(LearnableWindow("gaussian"), (5, 9))[0]
    assert got[2, 0].item() == pytest.approx(0.08)
    assert got[2, 4].item() == 1


@all_windows
@given(raw=st.lists(st.floats(-300, 300), min_size=2, max_size=2))
def test_parameters_stay_in_range_and_values_finite(window, raw):
    module = window.module((5, 7), 2, torch.float32)
    terms = module.raw.shape[1]
    with torch.no_grad():
        module.raw.copy_(torch.tensor(raw[:terms]).expand_as(module.raw))
    parameters = module.parameters_in_range()
    assert (parameters >= 0).all()
    if window.family == "cosine":
        torch.testing.assert_close(parameters.sum(1), torch.ones(len(module.raw)))
    if window.family == "gaussian":
        assert (parameters >= 0.01).all()
    values = module()
    assert values.shape == (2 if window.per_channel else 1, 5, 7)
    assert values.isfinite().all()
    if window.normalize == "none":
        assert (values[:, 2, 3] - 1).abs().max() < 1e-5
        assert values.abs().max() <= 1 + 1e-5
    values.square().sum().backward()
    assert module.raw.grad.isfinite().all()


@all_windows
@pytest.mark.parametrize("size", [(5,), (3, 4)])
def test_gradcheck_of_the_parameters(window, size):
    module = window.module(size, 2, torch.float64)
    raw = (module.raw.detach() + 0.1 * torch.randn_like(module.raw)).requires_grad_()

    def call(raw):
        return torch.func.functional_call(module, {"raw": raw}, ())

    assert torch.autograd.gradcheck(call, (raw,))
    assert torch.autograd.gradgradcheck(call, (raw,))


@all_windows
def test_one_set_a_layer_or_a_channel(window):
    layer: Any = WindowedConv2d(4, 6, (5, 7), groups=2, window=window)
    assert layer.learnable_window.raw.shape[0] == (6 if window.per_channel else 1)
    assert list(layer.state_dict()) == ["weight", "bias", KEY]


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("transposed", [False, True])
def test_each_output_channel_has_its_own_window(groups, transposed):
    make = WindowedConvTranspose2d if transposed else WindowedConv2d
    layer: Any = make(4, 8, 5, groups=groups, window=LearnableWindow("gaussian", per_channel=True), bias=False)
    x = torch.rand(1, 4, 9, 9)
    before = layer(x)
    with torch.no_grad():
        layer.learnable_window.raw[3] += 1
    changed = (layer(x) - before).abs().amax((0, 2, 3)) > 1e-6
    assert changed.nonzero().flatten().tolist() == [3]


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
@pytest.mark.parametrize("window", ALL[::3], ids=str)
def test_training_moves_the_window(case: Case, window):
    layer = case.windowed(torch.float32, window=window)
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1)
    before = layer.effective_weight.detach() / layer.weight.detach()
    for _ in range(3):
        optimiser.zero_grad()
        layer(case.input(torch.float32)).square().mean().backward()
        optimiser.step()
    after = layer.effective_weight.detach() / layer.weight.detach()
    assert not torch.allclose(before, after, rtol=1e-5)


@all_windows
def test_a_plain_checkpoint_sets_the_start(window):
    layer: Any = WindowedConv2d(3, 4, 5, window=window)
    fresh = copy.deepcopy(layer.learnable_window)
    with torch.no_grad():
        layer.learnable_window.raw.add_(1.5)
    plain = nn.Conv2d(3, 4, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer.load_state_dict(plain.state_dict())
    assert torch.equal(layer.weight, plain.weight)
    assert torch.equal(layer.learnable_window.raw, fresh.raw)


@all_windows
def test_its_own_checkpoint_loads_whole(window):
    layer, other = cast(Any, (WindowedConv2d(3, 4, 5, window=window) for _ in range(2)))
    with torch.no_grad():
        layer.learnable_window.raw.mul_(1.5)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.effective_weight, layer.effective_weight)
    with pytest.warns(WindowWarning, match="saved with learnable"):
        WindowedConv2d(3, 4, 5).load_state_dict(layer.state_dict(), strict=False)
    with pytest.raises(RuntimeError, match=r"Unexpected key.*learnable_window\.raw"):
        nn.Conv2d(3, 4, 5).load_state_dict(layer.state_dict())


def test_a_fixed_checkpoint_warns_and_sets_the_start():
    layer = WindowedConv2d(3, 4, 5, window=LearnableWindow())
    with pytest.warns(WindowWarning, match="saved with hamming"):
        layer.load_state_dict(WindowedConv2d(3, 4, 5).state_dict())


@all_windows
@pytest.mark.parametrize("assign", [False, True])
def test_meta_then_a_plain_checkpoint(window, assign):
    layer = WindowedConv2d(3, 4, 5, window=window, device="meta")
    if not assign:
        layer.to_empty(device="cpu")
    plain = nn.Conv2d(3, 4, 5)
    layer.load_state_dict(plain.state_dict(), assign=assign)
    expected = WindowedConv2d(3, 4, 5, window=window)
    expected.load_state_dict(plain.state_dict())
    assert torch.equal(layer.effective_weight, expected.effective_weight)


@all_windows
def test_coordinates_are_exact_after_changes_of_dtype(window):
    layer: Any = WindowedConv2d(3, 4, (5, 7), window=window)
    once = layer.learnable_window.u.double()
    twice = layer.half().double().learnable_window.u
    exact = window.module((5, 7), 4, torch.float64).u
    assert torch.equal(twice, exact)
    assert_close(once, exact, torch.float32)


@all_windows
def test_json_round_trip(window):
    assert window_from_json(window.to_json()) == window
    started = LearnableWindow("kaiser", (3.0,))
    assert LearnableWindow.from_json(started.to_json()) == started


@pytest.mark.parametrize("text", ["", "{}", '{"learnable": 3}', '{"learnable": {"family": "cosine"}}'])
def test_damaged_json(text):
    with pytest.raises(InputError, match="cannot be read"):
        LearnableWindow.from_json(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"family": "cosin"}, "did you mean 'cosine'"),
        ({"kind": "round"}, "kind='round'"),
        ({"normalize": "area"}, "normalize='area'"),
        ({"normalize": "sum"}, "can divide by zero"),
        ({"start": (0.5, 0.4)}, "sum to 1"),
        ({"start": (1.5, -0.5)}, "positive numbers"),
        ({"start": (1.0,)}, "two or more"),
        ({"family": "kaiser", "start": (0.0,)}, "positive numbers"),
        ({"family": "kaiser", "start": (1.0, 2.0)}, "only parameter"),
        ({"family": "gaussian", "start": (float("nan"),)}, "positive numbers"),
        ({"family": "gaussian", "start": (0.001,)}, "0.01"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_wrong_specifications(arguments, message):
    with pytest.raises(InputError, match=message):
        LearnableWindow(**arguments)


@pytest.mark.parametrize("window", [LearnableWindow(family) for family in FAMILIES], ids=str)
@pytest.mark.filterwarnings("ignore:Complex modules are a new feature:UserWarning")
def test_a_complex_layer_has_a_real_window(window):
    layer: Any = WindowedConv2d(3, 4, 7, window=window)
    x = torch.rand(2, 3, 9, 9, dtype=torch.complex64)
    expected = nn.functional.conv2d(x, layer.effective_weight.to(x.dtype), layer.bias.to(x.dtype))
    layer.to(torch.complex64)  # casts what the window is trained by, too
    got = layer(x)
    assert_close(got, expected, scale=4)
    got.abs().sum().backward()
    assert layer.learnable_window.raw.grad.isfinite().all()


def test_the_bessel_function_of_common_operators_is_scipys():
    x = torch.cat([torch.zeros(1, dtype=torch.float64), torch.logspace(-6, math.log10(270), 200, dtype=torch.float64)])
    np.testing.assert_allclose(learnable._i0e_of_common_operators(x), i0e(x.numpy()), rtol=1e-12)
