"""The operators in torch's machinery: derivatives of every order and mode, `vmap`, shapes, formats, counts."""

from itertools import product

import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from conv_problems import CONTIGUOUS, LAST, PROBLEMS, Tensors, tensors, truth
from tolerances import assert_close
from windowconv.fftconv import choice, operator, rewriting
from windowconv.fftconv.autograd import Conv2d, Conv2dBackward
from windowconv.fftconv.problem import Problem

NAMES = ["same-7x7", "stride-2-3", "groups-stride", "depthwise-double", "no-image"]
SMALL = PROBLEMS["groups-stride"]  # strided, grouped, its sides differ
ONE = ([2, 1], [2, 1, 1, 2], [1, 1], 2)  # one geometry for (2, 4, 9, 10) and (6, 2, 5, 4)
both = pytest.mark.parametrize("algorithm", ["fft", "direct"])
# torch's own, once a process, when forward-mode derivatives are first used
forward_mode = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")


def geometry(problem: Problem) -> tuple[list[int], list[int], list[int], int]:
    axes = problem.axes
    padding = [side for axis in axes for side in (axis.before, axis.after)]
    return [axis.stride for axis in axes], padding, [axis.dilation for axis in axes], problem.groups


def forward_arguments(problem: Problem, given: Tensors, algorithm: str = "fft", keep: bool = False) -> tuple:
    operands = given.input, given.weight, given.bias, given.window
    return (*operands, *geometry(problem), algorithm, True, keep)


def backward_arguments(problem: Problem, given: Tensors, needs: tuple[bool, bool], algorithm: str = "fft") -> tuple:
    nothing = given.input.new_empty(0)
    operands = given.grad_output, given.input, given.weight, given.window, nothing
    return (*operands, *geometry(problem), algorithm, *needs)


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def torchs(x: Tensor, w: Tensor, bias: Tensor | None = None, window: Tensor | None = None) -> Tensor:
    """Torch's own in the geometry `ONE`."""
    return F.conv2d(F.pad(x, (1, 2, 2, 1)), w if window is None else w * window, bias, (2, 1), 0, 1, 2)


def ours(x: Tensor, w: Tensor, bias: Tensor | None = None, window: Tensor | None = None) -> Tensor:
    return Conv2d.apply(x, w, bias, window, *ONE, "fft", True, False)[0]


@pytest.mark.parametrize("name", PROBLEMS)
@both
def test_values_and_gradients_are_torchs(name, algorithm):
    given = tensors(PROBLEMS[name])
    output, spectrum = operator.conv2d(*forward_arguments(PROBLEMS[name], given, algorithm))
    assert spectrum.numel() == 0
    grads = operator.conv2d_backward(*backward_arguments(PROBLEMS[name], given, (True, True), algorithm))
    assert_close((output, *grads), truth(PROBLEMS[name], given))


@pytest.mark.parametrize("name", NAMES)
@both
@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"
)  # by opcheck itself
@pytest.mark.parametrize("formats", [(CONTIGUOUS, CONTIGUOUS), (LAST, CONTIGUOUS)], ids=["contiguous", "last"])
def test_opcheck(name, algorithm, formats):
    given = tensors(PROBLEMS[name], formats=formats)
    for tensor in (given.input, given.weight, given.bias, given.grad_output):
        assert tensor is not None
        tensor.requires_grad_()
    torch.library.opcheck(operator.conv2d, forward_arguments(PROBLEMS[name], given, algorithm))
    for needs in ((True, True), (True, False), (False, True)):
        torch.library.opcheck(operator.conv2d_backward, backward_arguments(PROBLEMS[name], given, needs, algorithm))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("name", ["same-7x7", "groups-stride", "no-image"])
@both
def test_the_compiler_is_told_the_dtypes(name, algorithm, keep, dtype):
    """In half precision spectra are kept in float32."""
    given = tensors(PROBLEMS[name], dtype)
    arguments = forward_arguments(PROBLEMS[name], given, algorithm, keep)
    torch.library.opcheck(operator.conv2d, arguments, test_utils="test_faketensor")
    real = operator.conv2d(*arguments)
    with FakeTensorMode(shape_env=ShapeEnv()) as mode:
        fake = [mode.from_tensor(each) if isinstance(each, Tensor) else each for each in arguments]
        told = operator.conv2d(*fake)
    assert [each.dtype for each in told] == [each.dtype for each in real]


# --- derivatives ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [operator.conv2d, Conv2d.apply], ids=["operator", "function"])
@both
def test_gradcheck(call, algorithm):
    given = tensors(SMALL)
    leaves = [t.requires_grad_() for t in (given.input, given.weight, given.bias) if t is not None]

    def convolve(x, w, b):
        return call(x, w, b, given.window, *geometry(SMALL), algorithm, True, False)[0].square()

    assert torch.autograd.gradcheck(convolve, leaves, fast_mode=True)
    assert torch.autograd.gradgradcheck(convolve, leaves, fast_mode=True)


@forward_mode
def test_forward_mode_and_batched_derivatives():
    x, w, b, window = normal(1, 4, 5, 6), normal(2, 2, 5, 4), normal(2), normal(5, 4)
    leaves = [t.requires_grad_() for t in (x, w, b)]

    def convolve(x, w, b):
        return ours(x, w, b, window)

    modes = {"check_forward_ad": True, "check_batched_grad": True, "check_batched_forward_grad": True}
    assert torch.autograd.gradcheck(convolve, leaves, **modes)
    modes = {"check_fwd_over_rev": True, "check_batched_grad": True}
    assert torch.autograd.gradgradcheck(convolve, leaves, **modes, fast_mode=True)


@forward_mode
@pytest.mark.parametrize("of", [0, 1], ids=["input", "weight"])
@pytest.mark.parametrize("modes", list(product(["jacrev", "jacfwd"], repeat=3)), ids="-".join)
def test_third_derivatives_in_every_mode(modes, of):
    x, w, window = normal(1, 2, 3, 3), normal(2, 1, 2, 2), normal(2, 2)

    def total(convolve):
        return lambda x, w: (convolve(x, w, None, window) ** 3).sum()

    got, expected = total(ours), total(torchs)
    for mode in modes:
        got, expected = getattr(torch.func, mode)(got, argnums=of), getattr(torch.func, mode)(expected, argnums=of)
    assert_close(got(x, w), expected(x, w), scale=10)


@forward_mode
@pytest.mark.parametrize("modes", list(product(["jacrev", "jacfwd"], repeat=3)), ids="-".join)
def test_derivatives_for_all_operands_at_once(modes):
    """In forward mode, the tangents of tangents: each operand, and each gradient, depends on all levels."""
    x, w, b, start = normal(1, 2, 3, 3), normal(2, 1, 2, 2), normal(2), torch.tensor(1.3, dtype=torch.float64)

    def everything(convolve):
        def call(s):
            output = convolve(x * s**2, w * s, b * s**3)
            loss = torch.func.grad(lambda x, w: convolve(x, w).square().sum(), argnums=(0, 1))
            return torch.cat([part.flatten() for part in (output, *loss(x * s**2, w * s))])

        for mode in modes:
            call = getattr(torch.func, mode)(call)
        return call(start)

    assert_close(everything(ours), everything(torchs), scale=10)


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 1), (1, 2)], ids=str)
def test_no_gradient_is_computed_that_nobody_needs(wanted, monkeypatch):
    asked = []

    def spy(*args):
        asked.append(args[-1])
        return original(*args)

    original = rewriting.backward_rewritten
    monkeypatch.setattr(rewriting, "backward_rewritten", spy)
    leaves = [normal(2, 4, 9, 10), normal(6, 2, 5, 4), normal(6)]
    for i in wanted:
        leaves[i].requires_grad_()
    ours(*leaves).sum().backward()
    assert asked == ([(0 in wanted, 1 in wanted)] if {0, 1} & set(wanted) else [])
    for i, leaf in enumerate(leaves):
        assert (leaf.grad is not None) == (i in wanted)


def test_second_derivatives_skip_what_does_not_arrive(monkeypatch):
    x, w = normal(2, 4, 9, 10), normal(6, 2, 5, 4).requires_grad_()
    (grad,) = torch.autograd.grad(ours(x, w).square().sum(), w, create_graph=True)
    calls = []
    original = rewriting.backward_rewritten
    monkeypatch.setattr(rewriting, "backward_rewritten", lambda *args: (calls.append(args[-1]), original(*args))[1])
    (again,) = torch.autograd.grad(grad.sum(), w)
    assert calls == [(False, True)]
    (first,) = torch.autograd.grad(torchs(x, w).square().sum(), w, create_graph=True)
    assert_close(again, torch.autograd.grad(first.sum(), w)[0])


# --- vmap -------------------------------------------------------------------------------------------------------------

WINDOWS = {"none": None, "shared": (5, 4), "each": (3, 5, 4), "outputs": (6, 1, 5, 4), "inputs": (2, 5, 4)}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kernels", [False, True], ids=["one-kernel", "kernels"])
@pytest.mark.parametrize("images", [False, True], ids=["one-input", "inputs"])
@pytest.mark.parametrize("call", [operator, None], ids=["operator", "function"])
def test_vmap(images, kernels, window, call):
    """Any of the tensors may be batched, on any axis; a window for each kernel or each channel too."""
    forward = Conv2d.apply if call is None else call.conv2d
    backward = Conv2dBackward.apply if call is None else call.conv2d_backward
    x = normal(2, 3, 4, 9, 10) if images else normal(2, 4, 9, 10)
    w = normal(6, 2, 5, 4, 3) if kernels else normal(6, 2, 5, 4)
    m = None if WINDOWS[window] is None else normal(*WINDOWS[window])
    dims = (1 if images else None, 4 if kernels else None)
    m_dim = 0 if window == "each" else None
    for bias, b_dim in ((None, None), (normal(6), None), (normal(6, 3), 1)):
        in_dims = (*dims, b_dim, m_dim)
        if not any(dim is not None for dim in in_dims):
            continue

        def convolve(x, w, b, m):
            return forward(x, w, b, m, *ONE, "fft", True, True)[0]

        assert_close(torch.vmap(convolve, in_dims)(x, w, bias, m), torch.vmap(torchs, in_dims)(x, w, bias, m))
    for grads, needs in product((False, True), ((True, True), (True, False), (False, True))):
        gy = normal(3, 2, 6, 4, 10) if grads else normal(2, 6, 4, 10)
        in_dims = (0 if grads else None, *dims, m_dim)
        if not any(dim is not None for dim in in_dims):
            continue

        def gradients(gy, x, w, m, needs=needs):
            return backward(gy, x, w, m, x.new_empty(0), *ONE, "fft", *needs)

        def expected(gy, x, w, m):
            return torch.func.vjp(lambda x, w: torchs(x, w, None, m), x, w)[1](gy)

        got, true = torch.vmap(gradients, in_dims)(gy, x, w, m), torch.vmap(expected, in_dims)(gy, x, w, m)
        assert_close(
            [g for g, n in zip(got, needs, strict=True) if n], [t for t, n in zip(true, needs, strict=True) if n]
        )


def test_per_sample_gradients():
    x, w, b = normal(3, 4, 9, 10), normal(6, 2, 5, 4), normal(6)

    def of(convolve):
        def loss(w, b, x):
            return convolve(x[None], w, b).square().sum()

        return torch.vmap(torch.func.grad(loss, argnums=(0, 1)), (None, None, 0))(w, b, x)

    assert_close(of(ours), of(torchs))


# --- what else torch asks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("formats", list(product((CONTIGUOUS, LAST), repeat=2)), ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("name", ["same-7x7", "one-channel", "one-pixel", "depthwise", "stride-2-3"])
@both
def test_the_output_has_the_memory_format_of_torchs(name, dtype, formats, algorithm):
    given = tensors(PROBLEMS[name], dtype, formats)
    stride, (top, bottom, left, right), dilation, groups = geometry(PROBLEMS[name])
    x, sides = given.input, (top, left)
    if sides != (bottom, right):
        x, sides = F.pad(x, (left, right, top, bottom)), (0, 0)
    expected = F.conv2d(x, given.weight, given.bias, stride, sides, dilation, groups)
    output, _ = operator.conv2d(*forward_arguments(PROBLEMS[name], given, algorithm))
    assert output.dtype == dtype
    assert output.stride() == expected.stride()
    grads = operator.conv2d_backward(*backward_arguments(PROBLEMS[name], given, (True, True), algorithm))
    for grad, tensor in zip(grads, (given.input, given.weight), strict=True):
        assert grad.dtype == dtype
        assert grad.is_contiguous() == tensor.is_contiguous()
        assert grad.is_contiguous(memory_format=LAST) == tensor.is_contiguous(memory_format=LAST)


@pytest.mark.parametrize("name", NAMES)
@both
def test_operations_are_counted_as_the_direct_methods(name, algorithm):
    given = tensors(PROBLEMS[name])
    x, w = given.input.requires_grad_(), given.weight.requires_grad_()
    stride, (top, bottom, left, right), dilation, groups = geometry(PROBLEMS[name])
    with FlopCounterMode(display=False) as own:
        convolved = operator.conv2d(*forward_arguments(PROBLEMS[name], given, algorithm))[0]
    with FlopCounterMode(display=False) as own_backward:
        torch.autograd.grad(convolved, (x, w), given.grad_output)
    # the padding in the input counts for nothing forwards; backwards torch counts outputs and weights
    padded = F.pad(x, (left, right, top, bottom))
    with FlopCounterMode(display=False) as theirs:
        expected = F.conv2d(padded, w, given.bias, stride, 0, dilation, groups)
    with FlopCounterMode(display=False) as theirs_backward:
        torch.autograd.grad(expected, (x, w), given.grad_output)
    assert own.get_total_flops() == theirs.get_total_flops()
    assert own_backward.get_total_flops() == theirs_backward.get_total_flops()


@pytest.mark.parametrize("answer", ["direct", "fft"])
def test_auto_is_decided_at_every_call(answer, monkeypatch):
    given, asked, done = tensors(SMALL), [], []
    original = rewriting.forward_rewritten
    monkeypatch.setattr(choice, "choose", lambda *args: (asked.append(args), answer)[1])
    monkeypatch.setattr(rewriting, "forward_rewritten", lambda *args: (done.append(args), original(*args))[1])
    output, _ = operator.conv2d(*forward_arguments(SMALL, given, "auto"))
    assert_close(output, truth(SMALL, given)[0])
    assert asked == [(SMALL, torch.float64, torch.device("cpu"), True)]
    assert bool(done) == (answer == "fft")


def test_autocast_does_not_change_what_the_operators_compute_in(monkeypatch):
    """An implementation's own matrix products would be rounded."""
    given, seen = tensors(SMALL, torch.float32), []

    def spied(call):
        return lambda *args: (seen.append(torch.is_autocast_enabled("cpu")), call(*args))[1]

    monkeypatch.setattr(rewriting, "forward_rewritten", spied(rewriting.forward_rewritten))
    monkeypatch.setattr(rewriting, "backward_rewritten", spied(rewriting.backward_rewritten))
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = operator.conv2d(*forward_arguments(SMALL, given))
        grads = operator.conv2d_backward(*backward_arguments(SMALL, given, (True, True)))
    assert seen == [False, False]
    assert_close((output, *grads), truth(SMALL, given), torch.float32)


@pytest.mark.parametrize("call", [operator.conv2d, Conv2d.apply], ids=["operator", "function"])
def test_a_kept_spectrum_serves_the_weights_gradient_and_no_other(call, monkeypatch):
    problem = PROBLEMS["same-7x7"]
    given, seen, spectrum = tensors(problem), [], torch.rand(5)
    convolve, gradients = rewriting.forward_rewritten, rewriting.backward_rewritten

    def keeping(problem, x, w, bias, window, keep):
        output, _ = convolve(problem, x, w, bias, window, False)
        return output, spectrum.clone() if keep else x.new_empty(0)

    def spying(problem, gy, x, w, window, kept, needs):
        seen.append(kept)
        return gradients(problem, gy, x, w, window, kept.new_empty(0), needs)

    monkeypatch.setattr(rewriting, "forward_rewritten", keeping)
    monkeypatch.setattr(rewriting, "backward_rewritten", spying)
    x, w = given.input.requires_grad_(), given.weight.requires_grad_()
    output, kept = call(*forward_arguments(problem, given, keep=True))
    assert not kept.requires_grad
    (grad,) = torch.autograd.grad(output.square().sum(), w, create_graph=True)
    assert [torch.equal(other, spectrum) for other in seen] == [True]
    torch.autograd.grad(grad.sum(), (x, w))
    # the input's, for the gradient of the weight's gradient, then those of the output, which is made of the input
    assert [other.numel() for other in seen[1:]] == [0, 5]
