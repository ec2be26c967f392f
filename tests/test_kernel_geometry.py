"""Growing kernels: shapes, parities, padding modes, and the scale of new weights."""

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from cases import PLAIN
from tolerances import assert_close
from windowconv.conversion import convert
from windowconv.errors import InputError
from windowconv.folding import fold
from windowconv.plan import plan_conversion

quiet = pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")


def net(size: int = 3, **options: Any) -> Any:
    """Two convolutions whose output has the input's sides."""
    options = {"padding": size // 2, **options}
    return nn.Sequential(nn.Conv2d(3, 8, size, **options), nn.ReLU(), nn.Conv2d(8, 8, size, **options))


@st.composite
def convolutions(draw, parities=(0,)):
    """A plain layer, an input and a larger kernel, whose growth is even unless `parities` allows 1."""
    axes, transposed = draw(st.sampled_from([(1, False), (2, False), (1, True), (2, True), (3, False), (3, True)]))
    largest = 3 if axes == 3 else 5

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    kernel, stride, dilation, padding = each(1, largest), each(1, 3), each(1, 3), each(0, 3)
    groups = draw(st.sampled_from([1, 2]))
    options: dict[str, Any] = {"stride": stride, "dilation": dilation, "padding": padding, "groups": groups}
    if transposed:
        options["output_padding"] = tuple(
            draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
        )
    elif draw(st.booleans()):
        options["padding_mode"] = draw(st.sampled_from(["zeros", "replicate"]))
        options["padding"] = draw(st.sampled_from(["same", "valid", padding]))
        if options["padding"] == "same":
            options["stride"] = 1
    layer = PLAIN[axes, transposed](2, 2, kernel, **options)
    grown = tuple(k + 2 * draw(st.integers(0, 2)) + draw(st.sampled_from(parities)) for k in kernel)
    sides = tuple(d * (k - 1) + 1 + draw(st.integers(0, 3)) for k, d in zip(kernel, dilation, strict=True))
    x = torch.rand(1, 2, *sides, dtype=torch.float64)
    return layer.double(), x, grown


def output(layer, x) -> Any:
    """The layer's output; None where it has none (torch refuses a negative side)."""
    try:
        return layer(x)
    except RuntimeError:
        return None


@quiet
@given(convolutions())
def test_growth_keeps_output_shapes_and_preserve_the_function(drawn):
    layer, x, grown = drawn
    expected = output(layer, x)
    assume(expected is not None)
    assume(max(grown) > 1)
    preserved = convert(layer, kernel_size=lambda *_: grown, include=lambda *_: True, preserve=True)
    assert tuple(preserved.weight.shape[2:]) == tuple(preserved.kernel_size) == grown
    assert preserved(x).shape == expected.shape
    assert_close(preserved(x), expected, scale=10)
    assert convert(layer, kernel_size=lambda *_: grown, include=lambda *_: True)(x).shape == expected.shape
    folded = fold(preserved)
    assert type(folded) is type(layer)
    assert_close(folded(x), preserved(x))


@quiet
@given(convolutions(parities=(0, 1)))
def test_other_parities_keep_the_shape_or_name_the_layer(drawn):
    layer, x, grown = drawn
    expected = output(layer, x)
    assume(expected is not None)
    assume(max(grown) > 1)
    model = nn.Sequential(layer)
    arguments: Any = {"kernel_size": lambda *_: grown, "include": "0"}
    changes = [n - k for n, k in zip(grown, layer.kernel_size, strict=True)]
    impossible = any(d * n % 2 for d, n in zip(layer.dilation, changes, strict=True)) and layer.padding != "same"
    if impossible:
        with pytest.raises(InputError, match="layer '0': no padding keeps the output's shape"):
            convert(model, **arguments)
        return
    assert convert(model, **arguments)(x).shape == expected.shape
    places = [d * n % (2 * d) == 0 for d, n in zip(layer.dilation, changes, strict=True)]
    if layer.padding != "same" and not all(places):  # the old taps fall between the new
        with pytest.raises(InputError, match=r"layer '0': .* cannot be centred"):
            convert(model, preserve=True, **arguments)
    elif layer.padding != "same":
        assert_close(convert(model, preserve=True, **arguments)(x), expected, scale=10)


@pytest.mark.parametrize("padding", ["same", "valid", 3])
def test_string_padding(padding):
    layer = convert(nn.Conv2d(2, 2, 5, padding=padding), kernel_size=9)
    assert layer.padding == {"same": "same", "valid": (2, 2), 3: (5, 5)}[padding]
    twin = nn.Conv2d(2, 2, 9, padding=layer.padding)
    assert layer._reversed_padding_repeated_twice == twin._reversed_padding_repeated_twice


@quiet
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(("old", "new"), list(itertools.combinations(range(2, 9), 2)))
def test_same_keeps_its_shape_at_every_parity(mode, old, new):
    layer = nn.Conv1d(2, 2, old, padding="same", padding_mode=mode).double()
    x = torch.rand(1, 2, 9, dtype=torch.float64)
    assert convert(layer, kernel_size=new)(x).shape == x.shape
    kept = convert(layer, kernel_size=new, preserve=True)
    assert_close(kept(x), layer(x), scale=10)


def test_sizes():
    model = nn.Sequential(nn.Conv2d(3, 8, 7), nn.Conv2d(8, 8, (1, 3)), nn.Conv2d(8, 8, 11))

    def sizes(given):
        return [layer.size for layer in plan_conversion(model, kernel_size=given).layers]

    assert sizes(None) == [(7, 7), (1, 3), (11, 11)]
    assert sizes(9) == [(9, 9), (1, 9), (11, 11)]
    assert sizes({3: 5, 7: 9}) == [(9, 9), (1, 5), (11, 11)]
    assert sizes(lambda name, layer: 13 if name == "0" else None) == [(13, 13), (1, 3), (11, 11)]
    assert sizes(lambda name, layer: [13, 17]) == [(13, 17)] * 3


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.Conv2d(2, 2, 4, padding=1), 7),
        (nn.ConvTranspose1d(2, 2, 4, stride=2, padding=1), 7),
        (nn.Conv3d(2, 2, 2), 3),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_parity_that_cannot_be_kept_names_the_layer_and_a_size(layer, size):
    model = nn.Sequential(nn.Identity(), nn.Sequential(layer))
    with pytest.raises(InputError, match=f"layer '1.0': no padding keeps .* such as {size + 1}"):
        convert(model, kernel_size=size)


@pytest.mark.parametrize(("mode", "side"), [("reflect", 5), ("circular", 4)])
def test_growth_past_the_map_is_named_at_the_first_forward(mode, side):
    model = nn.ModuleDict({"body": net(5, padding_mode=mode)})
    body = convert(model, kernel_size=11)["body"]
    with pytest.raises(
        InputError, match=f"layer 'body.0': padding=.* for input side={side - 1}; allowed: .*padding_mode='{mode}'"
    ):
        body(torch.rand(1, 3, 20, side - 1))
    limit = side if mode == "circular" else 6
    assert body(torch.rand(1, 3, 20, max(limit, 5))).shape == (1, 8, 20, max(limit, 5))


@pytest.mark.parametrize("preserve", [False, True])
def test_growth_keeps_the_memory_format(preserve):
    layer = nn.Conv2d(4, 8, 3, padding=1).to(memory_format=torch.channels_last)
    grown = convert(layer, kernel_size=7, preserve=preserve)
    assert grown.weight.is_contiguous(memory_format=torch.channels_last)


def test_random_growth_keeps_the_initial_scale():
    for options in ({}, {"groups": 64}, {"bias": False}):
        old = nn.Conv2d(64, 64, 3, **options)
        grown = convert(old, kernel_size=7)
        fresh = nn.Conv2d(64, 64, 7, **options)
        spread = 1 / math.sqrt(grown.weight.numel())
        assert grown.weight.std().item() == pytest.approx(fresh.weight.std().item(), rel=10 * spread + 0.02)
        assert abs(grown.weight.mean().item()) < 5 * fresh.weight.std().item() * spread
    torch.manual_seed(3)
    first = convert(net(3), kernel_size=7)[0].weight
    torch.manual_seed(3)
    assert torch.equal(first, convert(net(3), kernel_size=7)[0].weight)


def test_growth_of_a_zero_weight_stays_zero():
    layer = nn.Conv2d(2, 2, 3)
    nn.init.zeros_(layer.weight)
    assert not convert(layer, kernel_size=7).weight.any()
