"""The native depthwise convolution against torch's own in float64, by instruction set."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from windowconv.fftconv.arguments import Geometry
from windowconv.fftconv.native import direct as native

CPU = torch.device("cpu")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
TORCH: Any = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


@dataclass(frozen=True)
class Case:
    """The sides of an input, the taps, and how they meet; `padding` is before and after each axis."""

    sides: tuple[int, ...]
    taps: tuple[int, ...]
    channels: int = 5
    batch: int = 2
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()

    @property
    def geometry(self) -> Geometry:
        ones, none = (1,) * len(self.sides), ((0, 0),) * len(self.sides)
        return Geometry(self.stride or ones, self.padding or none, self.dilation or ones, self.channels)


SAME = {n: ((n // 2, n // 2),) * 2 for n in (3, 5, 7, 15)}
CASES = {
    "one-channel": Case((9, 8), (5, 5), 1, padding=SAME[5]),
    "lanes": Case((9, 8), (5, 3), 32, padding=SAME[3]),
    "lanes-and-one": Case((9, 8), (3, 5), 33, padding=SAME[3]),
    "map-below-kernel": Case((3, 4), (7, 7), 70, padding=SAME[7]),
    "one-pixel": Case((1, 1), (15, 15), 17, padding=SAME[15]),
    "two-taps": Case((6, 7), (2, 2), 8, padding=((1, 0), (0, 1))),
    "only-padding-seen": Case((2, 3), (2, 2), stride=(5, 4), padding=((7, 2), (6, 0))),
    "stride-and-dilation": Case((23, 22), (4, 5), 9, stride=(3, 2), dilation=(2, 3), padding=((5, 1), (0, 6))),
    "stride-above-kernel": Case((13, 12), (2, 3), stride=(4, 5)),
    "common-factor": Case((13, 12), (3, 4), stride=(4, 2), dilation=(2, 4), padding=((3, 3), (6, 6))),
    "several-tiles": Case((70, 50), (7, 7), 40, 1, padding=SAME[7]),
    "wide-groups": Case((7, 7), (5, 5), 600, padding=SAME[5]),
    "long": Case((5000,), (15,), 3, stride=(2,), padding=((14, 3),)),
    "volume": Case((7, 8, 9), (3, 4, 5), 18, stride=(1, 2, 1), dilation=(2, 1, 1), padding=((2, 2), (1, 2), (2, 2))),
    "volume-in-tiles": Case((12, 16, 16), (5, 5, 5), 5, 1, padding=((2, 2),) * 3),
}
LAYOUTS = {
    "contiguous": lambda t: t.contiguous(),
    "last": lambda t: t.movedim(1, -1).contiguous().movedim(-1, 1),
    "transposed": lambda t: t.transpose(1, -1).contiguous().transpose(1, -1),
    "channels-of-more": lambda t: _within(t.movedim(1, -1), 3).movedim(-1, 1),
    "columns-of-more": lambda t: _within(t, 2),
    "expanded": lambda t: t[..., :1].expand_as(t),
    "negated": lambda t: torch.complex(torch.zeros_like(t.float()), -t.float()).conj().imag.to(t.dtype),
}


def _within(tensor: Tensor, more: int) -> Tensor:
    """The same in the last axis of a larger tensor, at the end of its memory, between NaN."""
    return F.pad(tensor, (more, 0), value=float("nan")).contiguous()[..., more:]


def normal(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape))).to(dtype)


def check(case: Case, dtype: torch.dtype, layout: str = "contiguous", layout_of_grad: str = "contiguous") -> None:
    """Output and all gradients, to 1e-6 of the norm of the sum of magnitudes, and the rounding of the result."""
    geometry = case.geometry
    outputs = native.output_sides(case.sides, case.taps, geometry)
    x = LAYOUTS[layout](normal(case.batch, case.channels, *case.sides, dtype=dtype))
    g = LAYOUTS[layout_of_grad](normal(case.batch, case.channels, *outputs, dtype=dtype))
    w, b = normal(case.channels, 1, *case.taps, dtype=dtype), normal(case.channels, dtype=dtype)
    assert native.supports(tuple(x.shape), tuple(w.shape), geometry, dtype, CPU)
    got = (
        native.forward(x, w, b, geometry),
        native.input_gradient(g, x, w, geometry),
        *native.weight_gradient(g, x, w, geometry, True),
    )
    true, scale = (_by_torch(case, *(of(t.double()) for t in (x, w, b, g))) for of in (lambda t: t, torch.abs))
    for name, one, other, size in zip(("output", "input", "weight", "bias"), got, true, scale, strict=True):
        assert one is not None
        assert one.dtype == dtype
        assert one.shape == other.shape
        allowed = 1e-6 * size.norm() + (0 if dtype == torch.float32 else 1.02 * (other.to(dtype) - other).norm())
        error = (one - other).norm()
        assert error <= allowed, f"{name}: error {error:.3g}, allowed {allowed:.3g}, of a norm of {other.norm():.3g}"


def _by_torch(case: Case, x: Tensor, w: Tensor, b: Tensor, g: Tensor) -> tuple[Tensor, ...]:
    for tensor in (x, w, b):
        tensor.requires_grad_()
    stride, padding, dilation, groups = case.geometry
    padded = F.pad(x, [end for pair in reversed(padding) for end in pair])
    output = TORCH[len(case.sides)](padded, w, b, stride, 0, dilation, groups)
    return output.detach(), *torch.autograd.grad(output, (x, w, b), g)


@pytest.mark.usefixtures("instructions")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_values(name, dtype):
    check(CASES[name], DTYPES[dtype], "contiguous", "last")
    check(CASES[name], DTYPES[dtype], "last", "last")


@pytest.mark.usefixtures("instructions")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["lanes-and-one", "stride-and-dilation"])
def test_layouts(name, layout):
    for dtype in DTYPES.values():
        check(CASES[name], dtype, layout, layout)


@st.composite
def cases(draw):
    axes, channels = draw(st.sampled_from([1, 2, 2, 3])), draw(st.sampled_from([1, 2, 7, 16, 31, 70]))
    most = {1: 40, 2: 20, 3: 9}[axes]
    columns = [[draw(st.integers(1, limit)) for _ in range(axes)] for limit in (most, 15 if axes < 3 else 6, 4, 3)]
    ends = [(draw(st.integers(0, 9)), draw(st.integers(0, 9))) for _ in range(axes)]
    sides, taps, stride, dilation = map(tuple, columns)
    if max(taps) == 1:
        taps = (2, *taps[1:])
    padding = tuple(
        (before, after + max(0, d * (k - 1) + 1 - n - before - after))
        for (before, after), n, k, d in zip(ends, sides, taps, dilation, strict=True)
    )
    return Case(sides, taps, channels, draw(st.integers(1, 3)), stride, dilation, padding)


@settings(max_examples=60)
@given(case=cases(), dtype=st.sampled_from(list(DTYPES)), layouts=st.tuples(*[st.sampled_from(list(LAYOUTS))] * 2))
def test_any_convolution(case, dtype, layouts):
    check(case, DTYPES[dtype], *layouts)


@pytest.mark.usefixtures("instructions")
def test_the_same_for_any_number_of_threads():
    case = CASES["several-tiles"]
    x, w = normal(3, 40, *case.sides), normal(40, 1, 7, 7)
    found, before = [], torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        y = native.forward(x, w, None, case.geometry)
        found.append(
            (y, native.input_gradient(y, x, w, case.geometry), native.weight_gradient(y, x, w, case.geometry, False)[0])
        )
    torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": torch.float64},
        {"device": torch.device("meta")},
        {"input": (0, 4, 9, 9)},
        {"weight": (8, 1, 5, 5)},
        {"weight": (4, 2, 5, 5)},
        {"weight": (4, 1, 16, 5)},
        {"weight": (4, 1, 1, 1)},
        {"input": (2, 4, 3, 9)},
        {"geometry": Geometry((1, 1), ((0, 0),) * 2, (1, 1), 2)},
        {"geometry": Geometry((1, 1), ((99999, 99999),) * 2, (50000, 50000), 4)},
    ],
    ids=str,
)
def test_what_it_does_not_take(change):
    taken: dict[str, Any] = {
        "input": (2, 4, 9, 9),
        "weight": (4, 1, 5, 5),
        "geometry": Geometry((1, 1), ((0, 0),) * 2, (1, 1), 4),
        "dtype": torch.float32,
        "device": CPU,
    }
    assert native.supports(**taken)
    assert not native.supports(**{**taken, **change})
