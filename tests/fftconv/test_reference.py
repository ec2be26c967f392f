"""The reference implementation against torch's own convolution in float64."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conv_problems import CONTIGUOUS, IDS, LAST, PROBLEMS, problem, problems, tensors, truth
from tolerances import assert_close
from windowconv.fftconv import reference, transform
from windowconv.fftconv.tile_plan import TilePlan, axis_plan, make_plan

REFERENCE = reference.forward, reference.backward

FORMATS = {"contiguous": CONTIGUOUS, "channels-last": LAST}
WIDE = problem((9, 10), (7, 7), channels=(24, 16), padding=(3, 3, 3, 3))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", IDS)
def test_values(name, dtype):
    given = tensors(PROBLEMS[name], dtype)
    got = given.values(*REFERENCE, make_plan(PROBLEMS[name]))
    assert {t.dtype for t in got} == {dtype}
    assert_close(got, truth(PROBLEMS[name], given))


@given(problem=problems(), data=st.data())
def test_any_problem_on_any_number_of_tiles(problem, data):
    height, width = (axis_plan(axis, data.draw(st.integers(1, axis.outputs))) for axis in problem.axes)
    given = tensors(problem, window=data.draw(st.booleans()))
    assert_close(
        given.values(*REFERENCE, TilePlan(problem, height, width)),
        truth(problem, given),
        scale=3,
    )


@pytest.mark.parametrize("of_weight", FORMATS)
@pytest.mark.parametrize("of_input", FORMATS)
@pytest.mark.parametrize("name", ["same-7x7", "groups", "depthwise", "several-tiles"])
def test_memory_formats(name, of_input, of_weight):
    given = tensors(PROBLEMS[name], formats=(FORMATS[of_input], FORMATS[of_weight]))
    got = given.values(*REFERENCE, make_plan(PROBLEMS[name]))
    assert_close(got, truth(PROBLEMS[name], given))
    either = LAST if LAST in (FORMATS[of_input], FORMATS[of_weight]) and name != "depthwise" else FORMATS[of_input]
    for tensor, expected in zip(got, (either, FORMATS[of_input], FORMATS[of_weight]), strict=True):
        assert tensor.is_contiguous(memory_format=expected)


@pytest.mark.parametrize("shape", [(2, 1, 5, 6), (2, 3, 1, 1)], ids=["one-channel", "one-pixel"])
def test_a_tensor_of_both_formats_is_contiguous(shape):
    case = problem(shape[2:], (3, 3), channels=(shape[1], 4), padding=(1, 1, 1, 1))
    given = tensors(case, formats=(LAST, CONTIGUOUS))
    output, *_ = given.values(*REFERENCE, make_plan(case))
    assert output.is_contiguous()


def test_strides_of_any_kind():
    case = PROBLEMS["same-7x7"]
    given = tensors(case)
    odd = replace(
        given,
        input=given.input.transpose(2, 3).contiguous().transpose(2, 3),
        weight=given.weight.repeat_interleave(2, dim=3)[..., ::2],
        bias=torch.randn(1, dtype=torch.float64).expand(4),
        grad_output=given.grad_output[:1, :1, :1, :1].expand_as(given.grad_output),
    )
    assert_close(odd.values(*REFERENCE, make_plan(case)), truth(case, odd))


@pytest.mark.parametrize("shape", [(7, 7), (4, 3, 7, 7), (4, 1, 1, 7), (1,)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_windows_of_any_shape_that_broadcasts(shape, dtype):
    case = PROBLEMS["same-7x7"]
    given = replace(tensors(case), window=torch.rand(shape, dtype=dtype))
    assert_close(given.values(*REFERENCE, make_plan(case)), truth(case, given))


def test_without_bias_and_window():
    case = PROBLEMS["same-7x7"]
    given = replace(tensors(case), bias=None, window=None)
    assert_close(given.values(*REFERENCE, make_plan(case)), truth(case, given))


@pytest.mark.parametrize("needs", [(True, False), (False, True), (False, False)], ids=str)
@pytest.mark.parametrize("name", ["same-7x7", "depthwise", "several-tiles", "no-image"])
def test_only_gradients_that_are_needed(name, needs):
    given, plan = tensors(PROBLEMS[name]), make_plan(PROBLEMS[name])
    spectrum = torch.empty(0)
    operands = given.grad_output, given.input, given.weight, given.window, spectrum
    both = reference.backward(plan, *operands, (True, True))
    some = reference.backward(plan, *operands, needs)
    for one, all_, needed in zip(some, both, needs, strict=True):
        assert torch.equal(one, all_) if needed else one is None


def test_taps_that_meet_padding_only_have_no_gradient():
    case = PROBLEMS["kernel-above-image"]
    gradient = tensors(case).values(*REFERENCE, make_plan(case))[2]
    unused = [tap for tap in range(9) if tap not in case.axes[0].touching]
    assert unused
    assert (gradient[:, :, unused] == 0).all()


@pytest.mark.parametrize("name", ["same-7x7", "groups", "depthwise", "several-tiles"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")], ids=str)
def test_what_is_not_finite_stays_in_its_image(name, bad):
    case = replace(PROBLEMS[name], batch=3)
    given, plan = tensors(case), make_plan(case)
    output, for_input, _ = given.values(*REFERENCE, plan)
    given.input[1, 0, 2, 2] = bad
    given.grad_output[1, 0, 2, 2] = bad
    spoilt = given.values(*REFERENCE, plan)
    for clean, other in zip((output, for_input), spoilt, strict=False):
        assert not other[1].isfinite().all()
        assert torch.equal(clean[[0, 2]], other[[0, 2]])


@pytest.mark.parametrize("block", [1, 3000, 1 << 30])
def test_blocks_of_any_size(block, monkeypatch):
    monkeypatch.setattr(transform, "CPU_BLOCK", block)
    case = PROBLEMS["same-7x7-even-period"]
    given = tensors(case)
    assert_close(given.values(*REFERENCE, make_plan(case)), truth(case, given))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precisions_round_once(dtype):
    half, plan = tensors(WIDE, dtype), make_plan(WIDE)
    single = half.to(torch.float32).values(*REFERENCE, plan)
    for one, other in zip(half.values(*REFERENCE, plan), single, strict=True):
        assert torch.equal(one, other.to(dtype))


def test_norm_of_the_error_in_float32():
    given = tensors(WIDE, torch.float32)
    got = given.values(*REFERENCE, make_plan(WIDE))
    for one, true in zip(got, truth(WIDE, given), strict=True):
        assert (one - true).norm() <= 1e-6 * true.norm()


def test_an_inference_mode_leaves_nothing_behind():
    case = PROBLEMS["same-7x7"]
    given, plan = tensors(case), make_plan(case)
    with torch.inference_mode():
        within = reference.forward(plan, given.input, given.weight, given.bias, given.window)[0]
    assert torch.equal(given.values(*REFERENCE, plan)[0], within)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu():
    case = PROBLEMS["same-7x7"]
    given = tensors(case)
    moved = replace(given, **{name: value.cuda() for name, value in vars(given).items()})
    assert_close(
        [t.cpu() for t in moved.values(*REFERENCE, make_plan(case))],
        list(truth(case, given)),
    )
