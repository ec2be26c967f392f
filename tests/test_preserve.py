"""`preserve=True`: the same function after conversion, what it costs, and where it is refused."""

import warnings
from typing import Any

import pytest
import torch
from torch import nn

from cases import CASES, ONE_OF_EACH, Case
from tolerances import assert_close
from windowconv.conversion import convert
from windowconv.errors import InputError, WindowWarning
from windowconv.layers import WindowedConvTranspose2d
from windowconv.learnable import FAMILIES, LearnableWindow
from windowconv.plan import plan_conversion

quiet = pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")


def net(size: int = 3, **options: Any) -> Any:
    """Two convolutions whose output has the input's sides."""
    options = {"padding": size // 2, **options}
    return nn.Sequential(nn.Conv2d(3, 8, size, **options), nn.ReLU(), nn.Conv2d(8, 8, size, **options))


# a map of 8 has no room to reflect, or to go around, more than this
ROOM = [
    (c, g) for c in CASES for g in (0, 2, 4) if c.options.get("padding_mode") not in ("reflect", "circular") or not g
]


@pytest.mark.parametrize(("case", "growth"), ROOM, ids=[f"{case.name}+{growth}" for case, growth in ROOM])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@quiet
def test_preserve_keeps_the_function(case: Case, growth, dtype):
    layer = case.plain(dtype)
    kept = convert(layer, preserve=True, kernel_size=lambda *_: tuple(k + growth if k > 1 else k for k in case.kernel))
    assert_close(kept(case.input(dtype)), layer(case.input(dtype)), scale=4)


@quiet
@pytest.mark.parametrize("window", [LearnableWindow(family) for family in FAMILIES], ids=str)
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
def test_preserve_with_learnable_windows(case: Case, window):
    layer = case.plain()
    kept = convert(layer, preserve=True, window=window)
    assert_close(kept(case.input()), layer(case.input()), scale=10)


@pytest.mark.parametrize(("old", "new", "factor"), [(7, 9, 21.7), (7, 7, 156.25), (3, 7, 1 / 0.77**2), (3, 3, 156.25)])
def test_amplification(old, new, factor):
    model = net(old)
    plan = plan_conversion(model, kernel_size=new, preserve=True)
    assert [layer.amplification for layer in plan.layers] == [pytest.approx(factor, rel=2e-3)] * 2
    assert f"{factor:.1f}" in str(plan)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kept = convert(model, kernel_size=new, preserve=True)
    texts = [str(w.message) for w in caught if "amplifies" in str(w.message)]
    assert len(texts) == (factor > 10)
    assert all(f"up to {factor:.3g} times (layer '0'; above 10 in 0, 2)" in text for text in texts)
    inside = slice((new - old) // 2, (new - old) // 2 + old)
    ratio = (kept[0].weight[..., inside, inside] / model[0].weight).abs().max().item()
    assert ratio == pytest.approx(factor, rel=2e-3)


def test_only_one_warning_of_a_kind_and_at_the_callers_line():
    with pytest.warns(WindowWarning, match="nearly closes") as caught:
        convert(net(3))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert str(caught[0].message).startswith("0, 2: ")
    with pytest.warns(WindowWarning, match="24 of 49") as caught:
        convert(net(7), window="hann")
    assert len(caught) == 1


@quiet
def test_preserve_is_refused_where_the_dtype_cannot_hold_it():
    model = net(7).half()
    assert convert(model, preserve=True)[0].weight.dtype == torch.float16
    with torch.no_grad():
        model[2].weight[0, 0, 0, 0] = 1000
    with pytest.raises(InputError, match=r"layer '2': preserve=True in torch.float16 .* 156 times"):
        convert(model, preserve=True)
    assert convert(model.float(), preserve=True)[2].weight.abs().max().item() == pytest.approx(156250, rel=1e-3)
    narrow = ("gaussian", 0.7)
    with pytest.raises(InputError, match=r"layer '0': preserve=True in torch\.float16"):
        convert(net(7).half(), window=narrow, preserve=True)
    convert(net(7), window=narrow, preserve=True)


@quiet
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_preserve_in_half_is_right_to_half_precision(dtype):
    model = net(7)
    x = torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        assert_close(convert(model.to(dtype), preserve=True)(x.to(dtype)).float(), model.float()(x), dtype, scale=2)


@quiet
def test_preserve_in_place_keeps_the_parameter_that_an_optimiser_holds():
    model = net(7)
    weight = model[0].weight
    convert(model, preserve=True, inplace=True)
    assert model[0].weight is weight


def test_the_plan_prints_as_a_table():
    text = str(plan_conversion(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 5)), kernel_size=7, preserve=True))
    assert text.splitlines() == [
        "layer  kernel      window          amplification",
        "0      1x1         leave: one tap  1.0",
        "1      5x5 -> 7x7  hamming         10.4",
    ]


def test_unet_upsampling_keeps_its_shape():
    layer = nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1)
    grown = convert(layer, kernel_size=8)
    assert isinstance(grown, WindowedConvTranspose2d)
    assert grown.padding == (3, 3)
    assert grown(torch.rand(1, 4, 5, 5)).shape == layer(torch.rand(1, 4, 5, 5)).shape


def network(trained: bool):
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)
    ).eval()
    nn.init.normal_(net[1].weight, 1, 0.02)  # as generative networks start
    if trained:
        nn.init.normal_(net[1].bias)
    return net


def test_by_default_trained_weights_keep_their_function_and_others_are_drawn():
    x = torch.randn(2, 2, 9, 9)
    for trained, preserve, kept in [
        (True, None, True),
        (True, False, False),
        (False, None, False),
        (False, True, True),
    ]:
        net = network(trained)
        with torch.no_grad():
            expected = net(x)
            got = convert(net, kernel_size=7, preserve=preserve)(x)
        assert torch.allclose(got, expected, atol=1e-5) == kept
    assert [layer.reason for layer in plan_conversion(network(True), kernel_size=7).layers] == [
        "trained: keeps its function"
    ] * 2
    # the same size: the window that is asked for, as always
    assert not any(layer.preserve for layer in plan_conversion(network(True)).layers)
