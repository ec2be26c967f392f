"""`fft_conv1d/2d/3d` against torch's own: values, gradients, options, errors, and what torch does with functions."""

import os
import re
import subprocess
import sys
import weakref
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

import windowconv
from cases import CASES, Case
from tolerances import assert_close
from windowconv.errors import InputError
from windowconv.fftconv import choice, fft_conv1d, fft_conv2d, fft_conv3d, rewriting, set_keep_spectra, settings
from windowconv.fftconv.arguments import make_geometry
from windowconv.fftconv.problem import Axis, Problem, cached_problem

TORCHS: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
OURS: dict[int, Any] = {1: fft_conv1d, 2: fft_conv2d, 3: fft_conv3d}
TABLE = [case for case in CASES if not case.transposed and case.options.get("padding_mode", "zeros") == "zeros"]
TABLE += [
    Case("1d-groups", (5,), (11,), {"groups": 2, "padding": 2, "stride": 3}),
    Case("1d-kernel-of-input", (9,), (9,)),
    Case("2d-one-tap", (1, 1), (5, 6), {"padding": 1}),
    Case("2d-all", (4, 3), (13, 12), {"groups": 2, "padding": (3, 1), "stride": (2, 1), "dilation": (2, 3)}),
    Case("2d-large", (15, 15), (9, 9), {"padding": 7}),
    Case("3d-groups", (3, 3, 3), (5, 6, 7), {"groups": 2, "padding": 1}),
    Case("3d-all", (3, 2, 4), (8, 6, 14), {"groups": 2, "padding": (2, 1, 0), "stride": (2, 1, 3), "dilation": 2}),
    Case("3d-even-same", (2, 4, 3), (5, 6, 7), {"padding": "same", "dilation": (3, 1, 2)}),
    Case("3d-flat", (1, 5, 5), (4, 6, 7), {"padding": (0, 2, 2)}),
    Case("3d-deep", (5, 1, 1), (6, 3, 4), {"padding": (2, 0, 0)}),
]  # fmt: skip
NAMED = {case.name: case for case in TABLE}
ONE_OF_EACH = [NAMED[name] for name in ("1d-groups", "2d-all", "3d-all")]
table = pytest.mark.parametrize("case", TABLE, ids=list(NAMED))
each = pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
forward_mode = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")


def options(case: Case) -> dict[str, Any]:
    return {key: value for key, value in case.options.items() if key != "bias"}


def operands(case: Case, dtype: torch.dtype = torch.float64, batch: int | None = 2) -> list[Any]:
    """Input, weight and bias, to be differentiated for."""
    layer = case.plain()
    bias = None if layer.bias is None else layer.bias.detach().to(dtype).requires_grad_()
    return [case.input(dtype, batch).requires_grad_(), layer.weight.detach().to(dtype).requires_grad_(), bias]


def window(case: Case) -> Tensor:
    return torch.rand(case.kernel, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 0.1


def ours(case: Case) -> Any:
    return lambda *given, **more: OURS[len(case.kernel)](*given, **options(case), **more)


def torchs(case: Case) -> Any:
    return lambda *given: TORCHS[len(case.kernel)](*given, **options(case))


def gradients(output: Tensor, *leaves: Tensor | None) -> tuple[Tensor, ...]:
    cotangent = torch.linspace(-1, 1, output.numel(), dtype=torch.float64).view(output.shape).to(output.dtype)
    return torch.autograd.grad(output, [leaf for leaf in leaves if leaf is not None], cotangent)


# --- the same results -------------------------------------------------------------------------------------------------


@table
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_values_and_gradients_are_torchs_of_the_windowed_weight(case: Case, dtype):
    x, w, b = operands(case)
    expected = torchs(case)(x, w * window(case), b)
    given = operands(case, dtype)
    got = ours(case)(*given, window=window(case))
    assert (got.dtype, got.shape, got.stride()) == (dtype, expected.shape, expected.stride())
    assert_close(got, expected, dtype)
    # what is near zero among sums that are not
    assert_close(gradients(got, *given), gradients(expected, x, w, b), dtype, scale=3)


@table
@pytest.mark.parametrize("algorithm", ["auto", "direct"])
def test_the_other_algorithms(case: Case, algorithm):
    x, w, b = operands(case)
    got, expected = ours(case)(x, w, b, window=window(case), algorithm=algorithm), torchs(case)(x, w * window(case), b)
    assert torch.equal(got, expected)
    assert_close(gradients(got, x, w, b), gradients(expected, x, w, b))


@table
def test_unbatched_and_empty_batches(case: Case):
    x, w, b = operands(case, batch=None)
    one = ours(case)(x, w, b)
    assert_close(one, torchs(case)(x, w, b))
    assert_close(gradients(one, x, w, b), gradients(torchs(case)(x, w, b), x, w, b))
    x, w, b = operands(case, batch=0)
    empty = ours(case)(x, w, b)
    assert empty.shape == (0, *one.shape)
    for grad, leaf in zip(gradients(empty, x, w, b), [t for t in (x, w, b) if t is not None], strict=True):
        assert grad.shape == leaf.shape
        assert not grad.any()


@each
def test_tensors_that_are_not_contiguous(case: Case):
    x, w, b = [t.detach() for t in operands(case)]
    expected = torchs(case)(x, w, b)
    spread = x.new_zeros(*[2 * n for n in x.shape])[tuple(slice(None, None, 2) for _ in x.shape)].copy_(x)
    turned = w.movedim(0, -1).contiguous().movedim(-1, 0)
    for one, other in product((x, spread, x.movedim(1, -1).contiguous().movedim(-1, 1)), (w, turned)):
        one, other = one.detach().requires_grad_(), other.detach().requires_grad_()
        got = ours(case)(one, other, b)
        assert_close(got, expected)
        assert_close(
            gradients(got.expand(2, *got.shape).sum(0), one, other),
            gradients(2 * torchs(case)(one, other, b), one, other),
        )


@pytest.mark.parametrize("formats", list(product((torch.contiguous_format, torch.channels_last), repeat=2)), ids=str)
def test_channels_last(formats):
    case = NAMED["2d"]
    x, w, b = [t.detach() for t in operands(case, torch.float32)]
    x, w = (
        x.contiguous(memory_format=formats[0]).requires_grad_(),
        w.contiguous(memory_format=formats[1]).requires_grad_(),
    )
    got, expected = ours(case)(x, w, b), torchs(case)(x, w, b)
    assert got.stride() == expected.stride()
    assert [g.stride() for g in gradients(got, x, w)] == [x.stride(), w.stride()]


@pytest.mark.parametrize("value", [1, (1,), [1], torch.Size([1])], ids=repr)
def test_numbers_stand_for_all_axes(value):
    x, w = torch.rand(1, 1, 5, 6), torch.rand(1, 1, 3, 3)
    got = fft_conv2d(x, w, None, value, value, value)
    assert_close(got, F.conv2d(x, w, padding=1))


def test_all_positions_are_torchs():
    x, w, b = torch.rand(1, 4, 9), torch.rand(4, 2, 3), torch.rand(4)
    assert_close(fft_conv1d(x, w, b, 2, 1, 1, 2), F.conv1d(x, w, b, 2, 1, 1, 2))


@pytest.mark.filterwarnings("ignore::windowconv.errors.WindowWarning")
@each
@pytest.mark.parametrize(
    "name", ["hamming", ("kaiser", 5.0), windowconv.Window("gaussian", (1.5,), normalize="sum")], ids=str
)
def test_windows_are_those_of_the_windowed_functions(case: Case, name):
    x, w, b = operands(case)
    own = getattr(windowconv, f"windowed_conv{len(case.kernel)}d")
    assert_close(ours(case)(x, w, b, window=name), own(x, w, b, **options(case), window=name))


@each
@pytest.mark.parametrize("leading", [(), (1,), (2,), (6, 1), (6, 2)], ids=str)
def test_a_window_may_broadcast_over_the_channels_and_have_a_gradient(case: Case, leading):
    x, w, b = operands(case)
    factor = torch.rand(*leading, *case.kernel, dtype=torch.float64).requires_grad_()
    expected = torchs(case)(x, w * factor, b)
    got = ours(case)(x, w, b, window=factor)
    assert_close(got, expected)
    assert_close(gradients(got, w, factor), gradients(expected, w, factor))
    assert_close(ours(case)(x, w, b, window=factor.detach()), expected)


@each
def test_gradcheck(case: Case):
    x, w, b = [t.detach().requires_grad_() for t in operands(case, batch=1)]

    def call(x, w, b):
        return ours(case)(x, w, b, window=window(case)).square()

    assert torch.autograd.gradcheck(call, (x, w, b), fast_mode=True)
    assert torch.autograd.gradgradcheck(call, (x, w, b), fast_mode=True)


# --- what torch does with functions -----------------------------------------------------------------------------------


@forward_mode
@each
def test_func_transforms(case: Case):
    x, w, b = [t.detach() for t in operands(case)]

    def loss(call, with_window=True):
        def value(w, b, x, m):
            return (call(x, w, b, window=m) if with_window else call(x, w * m, b)).square().sum()

        return value

    def results(value):
        every = (0, 1, 2, 3)
        yield torch.func.grad(value, argnums=every)(w, b, x, window(case))
        yield torch.vmap(torch.func.grad(value, argnums=every), (None, None, 0, None))(w, b, x, window(case))
        yield torch.func.grad(lambda *a: torch.vmap(value, (None, None, 0, 0))(*a).sum(), argnums=every)(
            w, b, x, torch.stack([window(case)] * 2)
        )
        yield torch.func.jvp(value, (w, b, x, window(case)), (w, b, x, window(case)))

    for got, expected in zip(results(loss(ours(case))), results(loss(torchs(case), False)), strict=True):
        assert_close(got, expected, scale=10)


@pytest.mark.parametrize(
    ("case", "dynamic"),
    [
        # of free sizes on three axes torch takes ten seconds to reason about
        pytest.param(case, dynamic, marks=[pytest.mark.slow] if dynamic and len(case.kernel) == 3 else [])
        for case in ONE_OF_EACH
        for dynamic in (False, True)
    ],
    ids=[f"{case.name}-{kind}" for case in ONE_OF_EACH for kind in ("static", "dynamic")],
)
@pytest.mark.parametrize("algorithm", ["fft", "auto", "direct"])
def test_compile_in_one_graph(case: Case, dynamic, algorithm):
    torch.compiler.reset()

    def call(x, w, b, m):
        return ours(case)(x, w, b, window=m, algorithm=algorithm)

    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(call, fullgraph=True, backend=counter, dynamic=dynamic)
    for more in (0, 1, 2) if dynamic else (0,):
        x, w, b = operands(case, torch.float32, 17 + more)  # no size equals another: torch would make them one
        x = F.pad(x.detach(), (more, more)).requires_grad_()
        m = window(case).float()
        got, expected = compiled(x, w, b, m), torchs(case)(x, w * m, b)
        assert got.stride() == expected.stride()
        assert_close(got, expected, scale=2)
        assert_close(gradients(got, x, w, b), gradients(expected, x, w, b), scale=4)
    assert counter.frame_count == 1


@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@each
def test_compile_by_inductor(case: Case, dynamic):
    torch.compiler.reset()
    x, w, b = operands(case, torch.float32)

    def waves(call):
        return lambda x, w, b: call(x.sin(), w, b).cos()

    got, expected = (
        torch.compile(waves(ours(case)), fullgraph=True, dynamic=dynamic)(x, w, b),
        waves(torchs(case))(x, w, b),
    )
    assert_close(got, expected, scale=2)
    assert_close(gradients(got, x, w, b), gradients(expected, x, w, b), scale=8)


def test_compiled_func_transforms_take_torchs_own():
    """Which compiles, where an operator of ours would not."""
    x, w = torch.rand(2, 1, 3, 6, 6), torch.rand(4, 3, 3, 3)
    per_sample = torch.vmap(torch.func.grad(lambda x, w: fft_conv2d(x, w).square().sum(), argnums=1), (0, None))
    torch.compiler.reset()
    assert_close(torch.compile(per_sample, fullgraph=True, backend="aot_eager")(x, w), per_sample(x, w), scale=10)


@each
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("algorithm", ["fft", "auto", "direct"])
def test_autocast(case: Case, dtype, algorithm):
    x, w, b = operands(case, torch.float32)
    expected = torchs(case)(x.double(), w.double() * window(case), b.double())
    with torch.autocast("cpu", dtype):
        got = ours(case)(x, w, b, window=window(case), algorithm=algorithm)
        assert got.dtype == dtype
        grads = gradients(got, x, w, b)
    assert_close(got, expected, dtype)
    assert [grad.dtype for grad in grads] == [torch.float32] * 3
    assert_close(grads, gradients(expected, x, w, b), dtype, scale=3)
    wide = [t.double() for t in (x, w, b)]
    with torch.autocast("cpu", dtype):  # which leaves float64 alone
        assert ours(case)(*wide, algorithm=algorithm).dtype == torchs(case)(*wide).dtype == torch.float64


@table
def test_operations_are_counted_as_torchs(case: Case):
    x, w, b = operands(case)
    counts = []
    for call in (ours(case), torchs(case)):
        with FlopCounterMode(display=False) as counter:
            gradients(call(x, w, b), x, w, b)
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1]


@pytest.mark.parametrize("algorithm", ["fft", "auto", "direct"])
def test_meta_tensors(algorithm):
    x, w = torch.empty(2, 64, 9, 9, device="meta"), torch.empty(64, 64, 5, 5, device="meta")
    assert fft_conv2d(x, w, algorithm=algorithm).shape == (2, 64, 5, 5)


@pytest.mark.parametrize("recompute", [False, True], ids=["saved", "checkpoint"])
def test_nothing_is_held_longer_than_by_torchs(recompute):
    def held(call):
        """Whether the input lives after the forward pass, and after the backward pass."""
        x, w, inputs = torch.rand(2, 3, 9, 9, requires_grad=True), torch.rand(4, 3, 5, 5, requires_grad=True), []

        def convolve(x):
            doubled = 2 * x
            inputs.append(weakref.ref(doubled))
            return call(doubled, w)

        output = checkpoint(convolve, x, use_reentrant=False) if recompute else convolve(x)
        yield [ref() is not None for ref in inputs]
        output.sum().backward()
        yield [ref() is not None for ref in inputs]

    assert list(held(fft_conv2d)) == list(held(F.conv2d))


# --- what is chosen ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["direct", "fft"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_auto_is_decided_before_the_operator(axes, answer, monkeypatch):
    asked = []
    monkeypatch.setattr(choice, "choose", lambda *args: (asked.append(args), answer)[1])
    x, w = torch.rand(2, 4, *[9, 8, 7][:axes]), torch.rand(6, 2, *[5] * axes).requires_grad_()
    with torch.profiler.profile() as profile:
        got = OURS[axes](x, w, stride=2, padding=2, groups=2, algorithm="auto")
    assert_close(got, TORCHS[axes](x, w, stride=2, padding=2, groups=2))
    names = {event.name for event in profile.events() or []}
    assert ("windowconv::conv2d" in names) == (answer == "fft")
    sides = [Axis(n, 5, 2, 1, 2, 2) for n in [9, 8, 7][:axes]]
    batch, channels, pair = {
        1: (2, 4, (Axis(1, 1), *sides)),
        2: (2, 4, tuple(sides)),
        3: (2 * 5, 4 * 5, tuple(sides[1:])),
    }[axes]
    assert asked == [(Problem(batch, channels, 6, 2, pair), torch.float32, torch.device("cpu"), True)]


@pytest.mark.parametrize("layer", [False, True], ids=["function", "layer"])
def test_a_call_is_chosen_once_and_its_problem_built_once(layer, monkeypatch):
    asked = []
    monkeypatch.setattr(choice, "choose", lambda *args: (asked.append(args), "fft")[1])
    x, convolution = torch.rand(1, 3, 13, 14).requires_grad_(), windowconv.WindowedConv2d(3, 4, (5, 3), bias=False)
    cached_problem.cache_clear()
    output = convolution(x) if layer else fft_conv2d(x, convolution.weight, algorithm="auto")
    output.sum().backward()
    assert len(asked) == 1
    assert cached_problem.cache_info().misses == 1


@pytest.mark.parametrize(
    ("x", "w"),
    [
        (torch.rand(1, 64, 9, 9), torch.rand(64, 64, 1, 1)),
        (torch.rand(1, 64, 9, 9).to(torch.complex64), torch.rand(64, 64, 5, 5).to(torch.complex64)),
        (torch.rand(1, 64, 9, 9).long(), torch.rand(64, 64, 5, 5).long()),
    ],
    ids=["one-tap", "complex", "integers"],
)
def test_auto_is_direct_where_nothing_is_to_gain(x, w, monkeypatch):
    monkeypatch.setattr(choice, "choose", lambda *args: pytest.fail("asked"))
    assert torch.equal(fft_conv2d(x, w, algorithm="auto"), F.conv2d(x, w))


def test_spectra_are_kept_where_they_are_used(monkeypatch):
    kept = []
    original = rewriting.forward_rewritten
    monkeypatch.setattr(rewriting, "forward_rewritten", lambda *args: (kept.append(args[-1]), original(*args))[1])
    x, w = torch.rand(1, 2, 6, 6), torch.rand(3, 2, 3, 3)
    trained = w.clone().requires_grad_()

    def calls():
        fft_conv2d(x, trained)
        fft_conv2d(x.clone().requires_grad_(), w)
        with torch.no_grad():
            fft_conv2d(x, trained)
        torch.compile(fft_conv2d, backend="aot_eager", fullgraph=True)(x, trained)

    calls()
    assert kept == [False] * 4
    kept.clear()
    set_keep_spectra(True)
    try:
        calls()
        grad = gradients(fft_conv2d(x, trained), trained)
    finally:
        set_keep_spectra(False)
    assert kept == [True, False, False, False, True]
    assert_close(grad, gradients(F.conv2d(x, trained), trained))
    assert not settings.keeps_spectra()
    with pytest.raises(InputError, match="keep=1; allowed"):
        set_keep_spectra(1)


# --- wrong input ------------------------------------------------------------------------------------------------------

X, W = torch.rand(2, 4, 9, 9), torch.rand(6, 4, 3, 3)
WRONG = {
    "rank-of-input": ((X[0, 0], W), {}, r"input.shape=\(9, 9\); allowed: \(N, C, H, W\) or \(C, H, W\)"),
    "rank-of-weight": ((X, W[0]), {}, r"weight.shape=\(4, 3, 3\); allowed: \(out, in / groups, h, w\)"),
    "no-channels": ((X[:, :0], W[:, :0]), {}, r"weight.shape=\(6, 0, 3, 3\); allowed"),
    "no-sides": ((X[..., :0], W), {}, r"input.shape=\(2, 4, 9, 0\); allowed"),
    "no-tensor": (([1.0], W), {}, "input=list; allowed: a tensor"),
    "channels": ((X[:, :3], W), {}, r"input.shape=.* has 3 channels; allowed: 4, for weight.shape=\(6, 4, 3, 3\)"),
    "channels-of-groups": ((X, W), {"groups": 2}, "has 4 channels; allowed: 8, .* groups=2"),
    "groups-of-outputs": ((X, W[:5, :2]), {"groups": 2}, "groups=2; allowed: a divisor of the weight's 5 output"),
    "groups-0": ((X, W), {"groups": 0}, "groups=0; allowed"),
    "bias": ((X, W, torch.rand(5)), {}, r"bias.shape=\(5,\); allowed: \(6,\)"),
    "kernel-above-input": ((X[..., :2], W), {"padding": (1, 0)}, "input side=2 with padding=0 \\+ 0 is smaller than"),
    "dilated-above-input": ((X, W), {"dilation": 5}, "allowed: 11 or more in all"),
    "padding-negative": ((X, W), {"padding": (1, -1)}, r"padding=\(1, -1\); allowed: an int of 0 or more, or 2"),
    "padding-float": ((X, W), {"padding": 1.0}, "padding=1.0; allowed"),
    "padding-word": ((X, W), {"padding": "sane"}, "padding='sane'; allowed: .*did you mean 'same'"),
    "same-with-stride": ((X, W), {"padding": "same", "stride": 2}, "padding='same' with stride=2; allowed: stride=1"),
    "stride-0": ((X, W), {"stride": 0}, "stride=0; allowed: an int of 1 or more"),
    "stride-axes": ((X, W), {"stride": (1, 1, 1)}, r"stride=\(1, 1, 1\); allowed"),
    "dilation-0": ((X, W), {"dilation": (0, 1)}, r"dilation=\(0, 1\)"),
    "dtypes": ((X, W.double()), {}, "weight.dtype=torch.float64; allowed: the input's, torch.float32"),
    "dtype-of-bias": ((X, W, torch.rand(6).double()), {}, "bias.dtype=torch.float64; allowed"),
    "devices": ((X, W.to("meta")), {}, "weight.device=meta; allowed: the input's, cpu"),
    "integers": ((X.long(), W.long()), {}, "input.dtype=torch.int64; allowed: .*or algorithm='direct'"),
    "complex": ((X.to(torch.complex64), W.to(torch.complex64)), {}, "input.dtype=torch.complex64; .*='direct'"),
    "algorithm": ((X, W), {"algorithm": "ftt"}, "algorithm='ftt'; allowed: .*did you mean 'fft'"),
    "window": ((X, W), {"window": "haming"}, "did you mean 'hamming'"),
    "window-shape": ((X, W), {"window": torch.rand(5, 5)}, r"window\.shape=\(5, 5\); allowed: \(3, 3\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input(name):
    given, more, message = WRONG[name]
    with pytest.raises(InputError, match=message) as caught:
        fft_conv2d(*given, **more)
    assert "\n" not in str(caught.value)
    if name not in ("no-channels", "devices", "integers", "complex", "algorithm", "window", "window-shape"):
        with pytest.raises((RuntimeError, TypeError, ValueError, NotImplementedError)):  # torch refuses it too
            F.conv2d(*given, **more)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_errors_name_the_axes(axes):
    with pytest.raises(InputError, match=re.escape(["(N, C, L)", "(N, C, H, W)", "(N, C, D, H, W)"][axes - 1])):
        OURS[axes](torch.rand(3), torch.rand(6, 4, *[3] * axes))


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int64], ids=str)
def test_direct_takes_any_dtype(dtype):
    assert torch.equal(fft_conv2d(X.to(dtype), W.to(dtype), algorithm="direct"), F.conv2d(X.to(dtype), W.to(dtype)))


@pytest.mark.parametrize("kernel", [(3, 3), (4, 2), (1, 5)], ids=str)
@pytest.mark.parametrize("dilation", [1, (2, 3)], ids=str)
def test_same_padding_is_torchs(kernel, dilation):
    padding = make_geometry(kernel, 1, "same", dilation).padding
    layer = torch.nn.Conv2d(1, 1, kernel, padding="same", dilation=dilation)
    assert [side for pair in reversed(padding) for side in pair] == layer._reversed_padding_repeated_twice


def weight_gradient(
    form: str, dtype: torch.dtype, width: int, taps: int, stride: int, layout: torch.memory_format
) -> Tensor:
    """The gradient of a weight of (4, 3, 12, taps), by the function or by a layer, for an input (2, 3, 1, width)."""
    generator = torch.Generator().manual_seed(1)
    input = (
        torch.randn(2, 3, 1, width, generator=generator).to(torch.bfloat16).to(dtype).contiguous(memory_format=layout)
    )
    options: Any = {"stride": (2, stride), "padding": (6, 1)}
    layer: Any = windowconv.WindowedConv2d(3, 4, (12, taps), **options, bias=False, window=None, algorithm="direct")
    weight = (
        torch.randn(4, 3, 12, taps, generator=generator).to(torch.bfloat16).to(dtype).contiguous(memory_format=layout)
    )
    layer.weight = torch.nn.Parameter(weight)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=form == "autocast")
    with autocast:
        output = fft_conv2d(input, layer.weight, **options, algorithm="direct") if form == "function" else layer(input)
    shares = torch.linspace(-1, 1, output.numel(), dtype=torch.float64).view_as(output).to(torch.bfloat16)
    output.backward(shares.to(output.dtype))
    assert layer.weight.grad is not None
    return layer.weight.grad.double()


FOREIGN = """
import torch
from test_convolution import weight_gradient
for width, taps, stride in ((1, 2, 2), (2, 2, 3), (2, 4, 3), (3, 3, 4)):
    for layout in (torch.contiguous_format, torch.channels_last):
        expected = weight_gradient("function", torch.float64, width, taps, stride, layout)
        for form in ("function", "layer", "autocast"):
            dtype = torch.float32 if form == "autocast" else torch.bfloat16
            found = weight_gradient(form, dtype, width, taps, stride, layout)
            error = float((found - expected).abs().max() / expected.abs().max())
            assert error < 0.02, (form, width, taps, stride, layout, error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc fills memory that nobody wrote")
def test_padded_rows_shorter_than_their_stride_have_their_own_gradient() -> None:
    """In bfloat16 torch 2.15 reads memory there that nobody wrote; glibc is told to fill it with huge numbers."""
    environment = {**os.environ, "MALLOC_PERTURB_": "128", "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(
        [sys.executable, "-c", FOREIGN], env=environment, cwd=Path(__file__).parent, capture_output=True
    )
    assert found.returncode == 0, found.stderr.decode()[-500:]


@pytest.mark.parametrize("algorithm", ["fft", "direct"])
def test_a_windows_gradient_in_half_precision_is_rounded_once(algorithm: Any) -> None:
    """It is a sum that cancels: of the weight's gradient, as it is, times the weight."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        input, weight = (torch.randn(shape, generator=generator).bfloat16() for shape in ((2, 8, 5, 5), (8, 2, 1, 1)))
        one = torch.ones(1, 1, dtype=torch.bfloat16, requires_grad=True)
        output = fft_conv2d(input, weight, groups=4, window=one, algorithm=algorithm)
        effective = weight.clone().requires_grad_()
        again = fft_conv2d(input, effective, groups=4, algorithm=algorithm)
        shares = torch.randn(output.shape, generator=generator).bfloat16()
        output.backward(shares)
        again.backward(shares)
        assert one.grad is not None
        assert effective.grad is not None
        expected = (effective.grad.double() * weight.double()).sum()
        assert abs(one.grad.item() - expected.item()) <= 2**-8 * abs(expected.item())
