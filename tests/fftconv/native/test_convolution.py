"""The native operator against torch's own convolution in float64 and against the reference, by instruction set."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from conv_problems import CONTIGUOUS, IDS, LAST, PROBLEMS, Tensors, axes, problem, tensors, truth
from windowconv.fftconv import reference
from windowconv.fftconv.native import convolution as native
from windowconv.fftconv.problem import Problem
from windowconv.fftconv.tile_plan import TilePlan, axis_plan, make_plan

REFERENCE = reference.forward, reference.backward
NATIVE = native.forward, native.backward

pytestmark = pytest.mark.usefixtures("instructions")
SAME = (3, 3, 3, 3)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# around the sizes that the operator works in: lanes, rows of a register tile, chunks of rows and of depth
SIZES = {
    **{f"channels-{i}-{k}": problem((5, 6), (3, 5), channels=(i, k), padding=(1, 1, 2, 2))
       for i, k in ((1, 70), (70, 1), (7, 9), (8, 16), (15, 17), (31, 33), (32, 32), (33, 31), (64, 65), (70, 70))},
    **{f"depthwise-{n}": problem((5, 6), (3, 5), channels=(n, n), groups=n, padding=(1, 1, 2, 2))
       for n in (2, 8, 17, 33, 70)},
    **{f"groups-{g}-of-{i}-{k}": problem((5, 6), (3, 5), channels=(g * i, g * k), groups=g, padding=(1, 1, 2, 2))
       for g, i, k in ((2, 33, 17), (3, 7, 5), (5, 1, 3), (4, 16, 8))},
    "many-inputs": problem((3, 3), (3, 3), channels=(530, 5), padding=(1, 1, 1, 1)),
    "many-outputs": problem((3, 3), (3, 3), channels=(5, 530), padding=(1, 1, 1, 1)),
    "many-images": problem((3, 2), (3, 3), batch=530, channels=(3, 200), padding=(1, 1, 1, 1)),
    "many-tiles": problem((41, 38), (7, 7), batch=3, channels=(17, 9), padding=SAME),
    "19-images": problem((8, 8), (7, 7), batch=19, channels=(9, 17), padding=SAME),
}  # fmt: skip
CASES = {**PROBLEMS, **SIZES}


def _padded(tensor: Tensor, memory: torch.memory_format) -> Tensor:
    """The same within a larger tensor of NaN, so that what is read outside shows."""
    around = (1, 2, 2, 1, 1, 2, 1, 1)
    larger = F.pad(tensor, around, value=float("nan")).contiguous(memory_format=memory)
    return larger[1:-1, 1:-2, 2:-1, 1:-2]


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda t: t.contiguous(),
    "channels-last": lambda t: t.contiguous(memory_format=LAST),
    "sliced": lambda t: _padded(t, CONTIGUOUS),
    "sliced-channels-last": lambda t: _padded(t, LAST),
    "stepped": lambda t: torch.stack([t, t * torch.nan], -1).flatten(3)[..., ::2],
    "transposed": lambda t: t.transpose(2, 3).contiguous().transpose(2, 3),
    "images-last": lambda t: t.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2),
    "one-image": lambda t: t[:1].expand_as(t),
    "one-channel": lambda t: t[:, :1].expand_as(t),
    "one-column": lambda t: t[..., :1].expand_as(t),
    "one-pixel": lambda t: t[..., :1, :1].expand_as(t),
    "overlapping": lambda t: t.flatten().as_strided(t.shape, (1, 2, 1, 1)),
}


def laid_out(tensors: Tensors, layout: str, weights: str | None = None) -> Tensors:
    """Other layouts of the tensors: `layout` for images, `weights` (None: the same) for the weight."""
    images, kernels = LAYOUTS[layout], LAYOUTS[weights or layout]
    return replace(
        tensors,
        input=images(tensors.input),
        weight=kernels(tensors.weight),
        grad_output=images(tensors.grad_output),
    )


def check(problem: Problem, tensors: Tensors, plan: TilePlan | None = None, like: Tensors | None = None) -> None:
    """Output and both gradients, to 1e-6 of their norm; in bfloat16 besides the rounding of the result itself.

    The norm is that of the results of `like` if it is given.
    """
    got, trues = tensors.values(*NATIVE, plan or make_plan(problem)), truth(problem, tensors)
    norms = [t.norm() for t in (truth(problem, like) if like else trues)]
    for name, one, true, norm in zip(("output", "input", "weight"), got, trues, norms, strict=True):
        assert one.dtype == tensors.input.dtype
        assert one.shape == true.shape
        allowed = 1e-6 * norm
        if one.dtype == torch.bfloat16:
            allowed += 1.02 * (true.bfloat16() - true).norm()
        error = (one - true).norm()
        assert error <= allowed, f"{name}: error {error:.3g}, allowed {allowed:.3g}, of a norm of {true.norm():.3g}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_values(name, dtype):
    given = tensors(CASES[name], DTYPES[dtype])
    check(CASES[name], given)
    check(CASES[name], replace(given, bias=None, window=None))


@pytest.mark.parametrize("name", IDS)
def test_the_reference_agrees(name):
    given, plan = tensors(PROBLEMS[name], torch.float32), make_plan(PROBLEMS[name])
    for one, other in zip(
        given.values(*NATIVE, plan),
        given.values(*REFERENCE, plan),
        strict=True,
    ):
        assert one.stride() == other.stride()
        assert (one - other).norm() <= 1e-6 * other.norm()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["channels-31-33", "groups-2-of-33-17", "depthwise-33", "many-tiles"])
def test_layouts(name, layout, dtype):
    given = tensors(CASES[name], DTYPES[dtype])
    check(CASES[name], laid_out(given, layout))
    check(CASES[name], laid_out(given, "contiguous", layout))


@pytest.mark.parametrize("of_weight", [CONTIGUOUS, LAST], ids=str)
@pytest.mark.parametrize("of_input", [CONTIGUOUS, LAST], ids=str)
@pytest.mark.parametrize("name", ["same-7x7", "one-channel", "one-pixel", "groups", "several-tiles"])
def test_memory_formats_are_the_references(name, of_input, of_weight):
    given, plan = tensors(PROBLEMS[name], torch.float32, (of_input, of_weight)), make_plan(PROBLEMS[name])
    for one, other in zip(
        given.values(*NATIVE, plan),
        given.values(*REFERENCE, plan),
        strict=True,
    ):
        assert one.is_contiguous() == other.is_contiguous()
        assert one.is_contiguous(memory_format=LAST) == other.is_contiguous(memory_format=LAST)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_windows_of_any_dtype(dtype):
    window = torch.rand(7, 7).to(dtype)
    check(PROBLEMS["same-7x7"], replace(tensors(PROBLEMS["same-7x7"], torch.float32), window=window))


def test_a_window_in_any_memory():
    given = tensors(PROBLEMS["even-4x6"], torch.float32)
    assert given.window is not None
    check(PROBLEMS["even-4x6"], replace(given, window=given.window.t().contiguous().t()))
    check(PROBLEMS["even-4x6"], replace(given, window=given.window[:1].expand(4, 6)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["same-7x7", "groups", "depthwise", "several-tiles", "many-tiles"])
def test_a_kept_spectrum_gives_the_same_gradients(name, dtype):
    given, plan = tensors(CASES[name], DTYPES[dtype]), make_plan(CASES[name])
    operands = given.input, given.weight, given.bias, given.window
    output, nothing = native.forward(plan, *operands)
    again, spectrum = native.forward(plan, *operands, keep=True)
    assert nothing.numel() == 0
    assert spectrum.numel() > 0
    assert torch.equal(output, again)
    operands = given.grad_output, given.input, given.weight, given.window
    recomputed = native.backward(plan, *operands, nothing, (True, True))
    kept = native.backward(plan, *operands, spectrum, (True, True))
    for one, other in zip(recomputed, kept, strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)


@pytest.mark.parametrize("channels_last", [False, True], ids=["contiguous", "channels-last"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_a_packed_kernel_gives_the_same_output(name, dtype, channels_last):
    given, plan = tensors(CASES[name], DTYPES[dtype]), make_plan(CASES[name])
    expected, _ = native.forward(plan, given.input, given.weight, given.bias, given.window)
    packed = native.pack(plan, given.weight, given.window)
    assert native.packed_bytes(plan) == packed.numel() * packed.itemsize
    output = native.forward_packed(plan, given.input, packed, given.bias, channels_last)
    assert torch.equal(output, expected)
    assert output.is_contiguous(memory_format=LAST if channels_last else CONTIGUOUS)


@pytest.mark.parametrize("needs", [(True, False), (False, True), (False, False)], ids=str)
@pytest.mark.parametrize("name", ["same-7x7", "depthwise", "several-tiles", "no-image", "only-padding-seen"])
def test_only_gradients_that_are_needed(name, needs):
    given, plan = tensors(PROBLEMS[name], torch.float32), make_plan(PROBLEMS[name])
    operands = given.grad_output, given.input, given.weight, given.window, torch.empty(0)
    both = native.backward(plan, *operands, (True, True))
    some = native.backward(plan, *operands, needs)
    for one, all_, needed in zip(some, both, needs, strict=True):
        assert torch.equal(one, all_) if needed else one is None


def test_taps_that_meet_padding_only_have_no_gradient():
    case = PROBLEMS["kernel-above-image"]
    *_, gradient = tensors(case, torch.float32).values(*NATIVE, make_plan(case))
    unused = [tap for tap in range(9) if tap not in case.axes[0].touching]
    assert unused
    assert (gradient[:, :, unused] == 0).all()


def test_operands_are_not_written_to():
    case = PROBLEMS["same-7x7"]
    given, untouched = tensors(case, torch.float32), tensors(case, torch.float32)
    given.values(*NATIVE, make_plan(case))
    for name, value in vars(given).items():
        assert torch.equal(value, getattr(untouched, name))


@pytest.mark.parametrize("name", ["input", "weight", "bias", "window", "grad_output"])
def test_numbers_that_torch_negates_when_they_are_read(name):
    case = PROBLEMS["same-7x7"]
    given = tensors(case, torch.float32)
    lazy = torch.complex(torch.zeros(()), getattr(given, name).float()).conj().imag
    assert lazy.is_neg()
    check(case, replace(given, **{name: lazy}))


def test_memory_first_used_in_inference_mode():
    case = PROBLEMS["same-7x7"]
    given, plan = tensors(case, torch.float32), make_plan(case)
    with torch.inference_mode():
        within = native.forward(plan, given.input, given.weight, given.bias, given.window)[0]
    assert torch.equal(given.values(*NATIVE, plan)[0], within)


@st.composite
def wide_problems(draw):
    """Any small problem of up to 70 channels; one in four is depthwise."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    each = st.integers(1, 70 // groups)
    ins, outs = draw(each), draw(each)
    if draw(st.integers(0, 3)) == 0:
        groups, ins, outs = ins, 1, 1
    sides = draw(axes(9, 2)), draw(axes(9, 2))
    return Problem(draw(st.integers(1, 3)), groups * ins, groups * outs, groups, sides)


@st.composite
def convolutions(draw):
    """Such a problem, a plan with any number of tiles, and tensors in any layout."""
    case = draw(wide_problems())
    height, width = (axis_plan(axis, draw(st.integers(1, axis.outputs))) for axis in case.axes)
    given = tensors(case, draw(st.sampled_from(list(DTYPES.values()))))
    layouts = st.sampled_from([name for name in LAYOUTS if name != "overlapping"])
    given = laid_out(given, draw(layouts), draw(layouts))
    if draw(st.booleans()):
        given = replace(given, bias=None)
    if draw(st.booleans()):
        given = replace(given, window=None)
    return case, TilePlan(case, height, width), given


@settings(max_examples=200)
@given(convolution=convolutions())
def test_any_convolution(convolution):
    case, plan, given = convolution
    # a single number may be what is left of terms that cancel: its error is measured by them
    positive = {name: None if t is None else t.abs() for name, t in vars(given).items()}
    check(case, given, plan, like=replace(given, **positive))
