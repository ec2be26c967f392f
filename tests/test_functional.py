"""The pure functions against torch's own, of `weight * window` in float64."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import windowconv
from cases import CASES, IDS, Case
from tolerances import TOLERANCES, assert_close
from windowconv.errors import InputError
from windowconv.windows import as_window, window_values

pytestmark = pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")

OPTIONS = ("stride", "padding", "output_padding", "dilation", "groups")
NUMERIC = [case for case in CASES if case.options.get("padding_mode", "zeros") == "zeros"]


def function(case: Case, prefix: str = ""):
    """The function of the package (or torch's, with the prefix "F") for a case."""
    name = f"conv{'_transpose' if case.transposed else ''}{len(case.kernel)}d"
    return getattr(F, name) if prefix == "F" else getattr(windowconv, f"windowed_{name}")


def options(case: Case) -> dict:
    return {key: case.options[key] for key in OPTIONS if key in case.options}


def window_of(case: Case) -> torch.Tensor:
    return torch.tensor(window_values(as_window(case.window, case.kernel), case.kernel))


@pytest.mark.parametrize("case", NUMERIC, ids=[c.name for c in NUMERIC])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_functions_are_torchs_of_the_windowed_weight(case: Case, dtype):
    layer: nn.Conv2d = case.plain()
    x = case.input()
    expected = function(case, "F")(x, layer.weight * window_of(case), layer.bias, **options(case))
    bias = None if layer.bias is None else layer.bias.to(dtype)
    got = function(case)(x.to(dtype), layer.weight.to(dtype), bias, window=case.window, **options(case))
    assert got.dtype == dtype
    assert_close(got, expected, dtype)


@pytest.mark.parametrize("case", [c for c in NUMERIC if max(c.sides) <= 10][::3], ids=lambda c: c.name)
def test_gradients_and_their_gradients(case: Case):
    layer = case.plain()
    x = case.input(batch=1).requires_grad_()
    weight = layer.weight.detach().requires_grad_()
    window = window_of(case).requires_grad_()

    def call(x, weight, window):
        return function(case)(x, weight, window=window, **options(case)).square()

    assert torch.autograd.gradcheck(call, (x, weight, window), fast_mode=True)
    assert torch.autograd.gradgradcheck(call, (x, weight, window), fast_mode=True)


def test_all_positions_are_torchs():
    x, w, b = torch.rand(1, 4, 9), torch.rand(4, 2, 3), torch.rand(4)
    got = windowconv.windowed_conv1d(x, w, b, 2, 1, 1, 2, window=None)
    assert torch.equal(got, F.conv1d(x, w, b, 2, 1, 1, 2))
    got = windowconv.windowed_conv_transpose1d(x, w, b[:4], 2, 1, 1, 2, 3, window=None)
    assert torch.equal(got, F.conv_transpose1d(x, w, b[:4], 2, 1, 1, 2, 3))


def test_a_window_may_broadcast_over_the_channels():
    weight = torch.rand(6, 2, 3, 3)
    for shape in ((3, 3), (1, 3, 3), (2, 3, 3), (6, 1, 3, 3), (6, 2, 3, 3)):
        window = torch.rand(shape, dtype=torch.float64)
        got = windowconv.apply_window(weight, window)
        assert got.dtype == weight.dtype
        assert_close(got, weight * window)
    profile = torch.rand(3, dtype=torch.float64)
    assert_close(windowconv.apply_window(weight, profile), weight * torch.outer(profile, profile))


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128, torch.bfloat16, torch.float16], ids=str)
def test_the_weights_dtype_is_kept(dtype):
    weight = torch.rand(2, 2, 7).to(dtype)
    got = windowconv.apply_window(weight)
    assert got.dtype == dtype
    expected = weight.to(torch.complex128) * torch.tensor(window_values(as_window("hamming", 7), (7,)))
    assert_close(got.to(torch.complex128), expected, dtype)


def test_transforms_go_through():
    weight, x = torch.rand(3, 2, 2, 5), torch.rand(1, 2, 9)
    window = torch.rand(5)
    many = torch.func.vmap(lambda w: windowconv.windowed_conv1d(x, w, window=window))(weight)
    one = torch.stack([windowconv.windowed_conv1d(x, w, window=window) for w in weight])
    assert_close(many, one)
    gradient = torch.func.grad(lambda w: windowconv.windowed_conv1d(x, weight[0], window=w).sum())(window)
    assert gradient.shape == window.shape
    batched = torch.func.vmap(lambda w: windowconv.apply_window(weight[0], w))(torch.rand(4, 5))
    assert batched.shape == (4, 2, 2, 5)
    compiled = torch.compile(windowconv.windowed_conv1d, fullgraph=True, backend="aot_eager")
    assert_close(compiled(x, weight[0], window=window), one[0])


@pytest.mark.parametrize(
    ("weight", "window", "message"),
    [
        (torch.rand(1, 1, 5, 5), torch.rand(8, 3, 5, 5), r"window.shape=\(8, 3, 5, 5\) does not fit"),
        (torch.rand(8, 3, 5, 5), torch.rand(2, 5, 5), r"window.shape=\(2, 5, 5\) does not fit"),
        (torch.rand(8, 3, 5, 5), torch.rand(1, 8, 3, 5, 5), "does not fit weight.shape=.*; allowed"),
        (torch.rand(8, 3, 5, 5), torch.rand(4, 4), r"window\.shape=\(4, 4\); allowed: \(5, 5\)"),
        (torch.rand(8, 3, 5, 5), torch.rand(4), r"window\.shape=\(4,\); allowed: \(5,\)"),
        (torch.rand(8, 3, 5, 5), torch.full((5, 5), float("nan")), "NaN or infinite"),
        (torch.rand(8, 3, 5, 5), torch.rand(5, requires_grad=True), "requires a gradient; allowed"),
        (torch.rand(8, 3, 5, 5), "haming", "did you mean"),
        (torch.rand(8, 3), "hamming", "has a kernel of 0 axes; allowed"),
        (torch.rand(1, 1, 2, 2, 2, 2), "hamming", "has a kernel of 4 axes; allowed"),
    ],
    ids=lambda v: str(tuple(v.shape)) if isinstance(v, torch.Tensor) else None,
)
def test_wrong_windows(weight, window, message):
    with pytest.raises(InputError, match=message) as caught:
        windowconv.apply_window(weight, window)
    assert "\n" not in str(caught.value)


def test_wrong_dimensions():
    with pytest.raises(InputError, match="allowed: 4 dimensions"):
        windowconv.windowed_conv2d(torch.rand(1, 1, 9, 9), torch.rand(1, 1, 3))


def test_names_of_cases_and_tolerances_are_whole():
    assert len(set(IDS)) == len(CASES)
    assert {torch.float64, torch.float32, torch.bfloat16, torch.float16} <= set(TOLERANCES)
    with pytest.raises(AssertionError, match=r"largest absolute error 1, .*largest relative error 0.5"):
        assert_close(torch.ones(2), 2 * torch.ones(2))
