"""Folding: torch's own classes and keys, the same outputs; trimming and what it reports."""

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from cases import CASES, IDS, ONE_OF_EACH, Case
from reparametrized import WAYS, changed
from tolerances import assert_close
from windowconv.conversion import convert
from windowconv.errors import InputError, WindowWarning
from windowconv.folding import fold, trim_report
from windowconv.layers import WindowedConv2d
from windowconv.learnable import LearnableWindow

quiet = pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")


def net(**options: Any) -> Any:
    """A converted network of two layers of 7x7."""
    options = {"padding": 3, **options}
    return convert(nn.Sequential(nn.Conv2d(3, 8, 7, **options), nn.ReLU(), nn.Conv2d(8, 8, 7, **options)))


def concentrated(case: Case) -> Any:
    """A layer whose outermost taps are a thousand times weaker than the rest."""
    layer = case.windowed(window=None)
    with torch.no_grad():
        edge = torch.ones(case.kernel, dtype=torch.float64) * 1e-3
        edge[tuple(slice(1, k - 1) if k > 1 else slice(None) for k in case.kernel)] = 1
        layer.weight.mul_(edge)
    return nn.Sequential(layer)


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("window", ["hamming", LearnableWindow(per_channel=True), None], ids=str)
@quiet
def test_fold_gives_torchs_class_keys_and_outputs(case: Case, window):
    plain = case.plain()
    model: Any = convert(nn.Sequential(plain), window=window, include="0")
    if model[0].learnable_window is not None:
        with torch.no_grad():
            model[0].learnable_window.raw.add_(torch.rand_like(model[0].learnable_window.raw))
    model[0].weight.requires_grad_(False)
    hooked = []
    model[0].register_forward_hook(lambda *_: hooked.append(1))
    folded = fold(model)
    assert type(folded[0]) is type(plain)
    assert list(folded.state_dict()) == list(nn.Sequential(plain).state_dict())
    assert vars(folded[0]).keys() == vars(plain).keys()
    for name in plain.__constants__:
        assert getattr(folded[0], name) == getattr(plain, name)
    assert not folded[0]._buffers
    assert not folded[0]._modules
    assert not folded[0].weight.requires_grad
    assert repr(folded[0]) == repr(plain)
    assert torch.equal(folded(case.input()), model(case.input()))
    assert len(hooked) == 2
    assert type(model[0]) is not type(plain)
    folded.double().half()  # nothing is left that would rebuild a window


def test_the_original_is_untouched_unless_inplace():
    model = net()
    weight = model[0].weight.clone()
    fold(model)
    assert isinstance(model[0], WindowedConv2d)
    assert torch.equal(model[0].weight, weight)
    x = torch.rand(1, 3, 9, 9)
    expected = model(x)
    layer = model[0]
    assert fold(model, inplace=True) is model
    assert model[0] is layer
    assert type(layer) is nn.Conv2d
    assert torch.equal(model(x), expected)


def test_a_layer_alone_is_folded():
    layer = WindowedConv2d(3, 4, 7)
    x = torch.rand(1, 3, 9, 9)
    assert type(fold(layer)) is nn.Conv2d
    assert torch.equal(fold(layer)(x), layer(x))


def test_layers_that_share_a_weight_but_not_a_window_come_apart():
    model: Any = nn.Sequential(*(WindowedConv2d(4, 4, 5, padding=2, window=LearnableWindow()) for _ in range(3)))
    model.append(WindowedConv2d(4, 4, 5, padding=2)).append(WindowedConv2d(4, 4, 5, padding=2, window=("kaiser", 3.0)))
    for layer in model:
        layer.weight = model[0].weight
    model[2].learnable_window = model[0].learnable_window
    with torch.no_grad():
        model[1].learnable_window.raw.add_(torch.tensor([1.0, 0.0]))
    x = torch.rand(1, 4, 9, 9)
    folded = fold(model)
    assert torch.equal(folded(x), model(x))
    assert folded[0].weight is folded[2].weight
    assert len({id(layer.weight) for layer in folded}) == 4


def test_folded_half_models_keep_their_dtype_and_outputs():
    model = net().half()
    x = torch.rand(1, 3, 9, 9).half()
    assert torch.equal(fold(model)(x), model(x))


# --- layers with a forward method of their own ------------------------------------------------------------------------


def test_a_replaced_forward_method_is_refused_and_nothing_changes():
    model = net()
    layer = next(m for m in model.modules() if isinstance(m, WindowedConv2d))
    layer.forward = lambda input: input
    with pytest.raises(InputError, match=r"forward=<function .*; allowed: the method of its class"):
        fold(model, inplace=True)
    assert type(layer) is WindowedConv2d


@pytest.mark.parametrize(
    "change", [fold, lambda model: convert(model, window=("kaiser", 4.0))], ids=["fold", "convert"]
)
def test_the_classs_own_method_as_an_attribute_does_not_matter(change):
    model, twin = net().eval(), net().eval()
    twin.load_state_dict(model.state_dict())
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.forward = layer.forward  # as hooks of accelerate leave it when they are removed
    x = torch.rand(1, 3, 9, 9)
    assert torch.equal(change(model)(x), change(twin)(x))


# --- layers whose weight is computed ----------------------------------------------------------------------------------


@pytest.mark.compatibility("torch", "fold of layers with weight_norm, spectral_norm, orthogonal, parametrize, pruning")
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
def test_computed_weights_are_folded_too(case: Case, way, inplace):
    model: Any = nn.Sequential(changed(WAYS[way](case.windowed()))).eval()
    x = case.input()
    model(x)
    expected = model(x)
    folded = fold(model, inplace=inplace)
    plain = case.plain()
    assert type(folded[0]) is type(plain)
    assert list(folded.state_dict()) == list(nn.Sequential(plain).state_dict())
    assert all(p.requires_grad for p in folded.parameters())
    for mode in (True, False):
        folded.train(mode)
        assert_close(folded(x), expected, scale=8)
    assert (folded is model) == inplace
    if not inplace:
        assert_close(model(x), expected)
        changed(model[0])  # goes on as it was
        assert (model(x) - expected).abs().max() > 1e-3
    torch.nn.utils.parametrizations.weight_norm(folded[0])  # nothing is left that would be in the way


def test_stale_weights_are_not_what_is_folded():
    model: Any = nn.Sequential(WAYS["pruned"](WindowedConv2d(3, 4, 5))).eval()
    x = torch.rand(1, 3, 9, 9)
    model(x)
    changed(model[0])
    assert_close(fold(model)(x), model(x), scale=8)


def test_what_is_pruned_stays_pruned_and_ties_hold():
    first, second = WAYS["pruned"](WindowedConv2d(4, 4, 5, padding=2)), WindowedConv2d(4, 4, 5, padding=2)
    second.weight = first.weight_orig
    model: Any = nn.Sequential(first, second)
    mask, raw, x = first.weight_mask.clone(), second.weight.detach().clone(), torch.rand(1, 4, 9, 9)
    expected = model(x)
    window = second.window_values
    assert window is not None
    fold(model, inplace=True)
    assert_close(model(x), expected, scale=8)
    assert (model[0].weight[mask == 0] == 0).all()
    assert torch.equal(model[1].weight, raw * window)


def test_layers_that_share_a_parametrised_module_come_out_right():
    shared = WAYS["weight_norm"](WindowedConv2d(4, 4, 5, padding=2))
    model = nn.Sequential(shared, nn.ReLU(), shared).eval()
    x = torch.rand(1, 4, 9, 9)
    folded: Any = fold(model)
    assert_close(folded(x), model(x), scale=8)
    assert folded[0] is folded[2]


def test_frozen_computed_weights_stay_frozen():
    model: Any = nn.Sequential(WAYS["weight_norm"](WindowedConv2d(3, 4, 5))).requires_grad_(False)
    assert not any(p.requires_grad for p in fold(model).parameters())


@quiet
def test_trim_and_its_report_see_the_pruned_kernel():
    layer = WindowedConv2d(3, 4, 7, padding=3, window=None)
    mask = torch.zeros_like(layer.weight)
    mask[..., 2:5, 2:5] = 1
    model = nn.Sequential(prune.custom_from_mask(layer, "weight", mask))
    assert trim_report(model, 1.0).layers[0].trimmed == (3, 3)
    x = torch.rand(1, 3, 9, 9)
    folded: Any = fold(model, trim=1.0)
    assert folded[0].kernel_size == (3, 3)
    assert_close(folded(x), model(x), scale=8)


def test_a_weight_that_a_strange_hook_sets_is_refused_and_nothing_changes():
    layer: Any = WindowedConv2d(3, 4, 5)
    layer.raw = nn.Parameter(layer.weight.detach().clone())
    del layer._parameters["weight"]
    layer.register_forward_pre_hook(lambda module, inputs: setattr(module, "weight", module.raw.tanh()))
    x = torch.rand(1, 3, 9, 9)
    model = nn.Sequential(layer)
    expected = model(x)
    for inplace in (False, True):
        with pytest.raises(InputError, match=r"layer '0': its weight is set by a hook, .*remove the other hook first"):
            fold(model, inplace=inplace)
    assert torch.equal(model(x), expected)
    hook = next(iter(layer._forward_pre_hooks))  # and the advice is true
    del layer._forward_pre_hooks[hook]
    layer.weight = nn.Parameter(layer.weight.detach())
    assert_close(fold(model)(x), expected)


class Mine(WindowedConv2d):
    """A subclass that fold cannot know."""


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (nn.Sequential(nn.Conv2d(3, 3, 3)), {}, "model=Sequential; allowed: a model with windowed layers"),
        (nn.Sequential(Mine(3, 3, 5)), {}, "layer '0': class=Mine; allowed"),
        (WindowedConv2d(3, 3, 5), {"trim": 0}, "trim=0; allowed"),
        (WindowedConv2d(3, 3, 5), {"trim": 1.1}, "trim=1.1; allowed"),
        (WindowedConv2d(3, 3, 5), {"trim": float("nan")}, "trim=nan; allowed"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_wrong_models_and_shares(model, arguments, message):
    with pytest.raises(InputError, match=message):
        fold(model, **arguments)


# --- trim -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [*ONE_OF_EACH, *CASES], ids=[*(f"{c.name}-1" for c in ONE_OF_EACH), *IDS])
def test_trim_crops_weak_edges_and_keeps_the_shape(case: Case):
    model = concentrated(case)
    padding = case.options.get("padding", 0)
    before = model(case.input())
    report = trim_report(model, 0.999)
    room = padding if isinstance(padding, tuple) else (padding,) * len(case.kernel)
    if padding == "same":
        room = case.kernel
    elif padding == "valid":
        room = (0,) * len(case.kernel)
    spread = case.options.get("dilation", 1)
    spread = spread if isinstance(spread, tuple) else (spread,) * len(case.kernel)
    expected = tuple(k - 2 if p >= d and k > 2 else k for k, p, d in zip(case.kernel, room, spread, strict=True))
    assert report.layers[0].trimmed == expected
    if expected == case.kernel:
        assert report.cropped == ()
        assert torch.equal(fold(model, trim=0.999)(case.input()), before)
        return
    with pytest.warns(WindowWarning, match="trim=0.999 crops 1 of 1 folded layers, 0 .*, losing up to") as caught:
        folded = fold(model, trim=0.999)
    assert caught[0].filename == __file__
    layer: Any = folded[0]
    assert tuple(layer.kernel_size) == tuple(layer.weight.shape[2:]) == expected
    after = folded(case.input())
    assert after.shape == before.shape
    assert_close(after, before, torch.bfloat16)


@pytest.mark.filterwarnings("ignore:trim=:windowconv.errors.WindowWarning")
@pytest.mark.parametrize("trim", [0.5, 0.9, 0.99, 0.999, 1.0])
def test_the_energy_kept_is_as_asked_and_no_more_is_cropped_than_allowed(trim):
    model = net()
    report = trim_report(model, trim)
    folded: Any = fold(model, trim=trim)
    for row in report.layers:
        whole = model.get_submodule(row.name).effective_weight.square().sum()
        kept = folded.get_submodule(row.name).weight.square().sum()
        assert 1 - (kept / whole).item() == pytest.approx(row.dropped, abs=1e-6)
        assert row.dropped <= 1 - trim + 1e-9
    if trim == 1.0:
        assert report.cropped == ()
    if trim == 0.5:
        assert {row.trimmed for row in report.layers} != {(7, 7)}
    x = torch.rand(1, 3, 12, 12)
    error = ((folded(x) - model(x)).square().sum() / model(x).square().sum()).sqrt().item()
    assert error < 3 * math.sqrt(2 * max(row.dropped for row in report.layers)) + 1e-6


@quiet
def test_trim_undoes_growth_that_preserved():
    torch.manual_seed(0)
    model: Any = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2, stride=2), nn.ConvTranspose2d(8, 3, 4, 2, 1)).double()
    grown = convert(model, kernel_size={5: 9, 4: 8}, preserve=True)
    folded = fold(grown, trim=1.0)
    assert [layer.kernel_size for layer in folded] == [layer.kernel_size for layer in model]
    assert [layer.padding for layer in folded] == [layer.padding for layer in model]
    assert_close(dict(folded.state_dict()), dict(model.state_dict()))


def test_the_report_prints_as_a_table():
    text = str(trim_report(concentrated(next(c for c in CASES if c.name == "2d")), 0.999))
    header, row = text.splitlines()
    assert header.split() == ["layer", "kernel", "trimmed", "energy", "dropped"]
    assert row.split()[:3] == ["0", "7x7", "5x5"]


def test_a_zero_layer_is_left():
    layer = WindowedConv2d(2, 2, 7, padding=3)
    nn.init.zeros_(layer.weight)
    assert trim_report(layer, 0.9).cropped == ()
