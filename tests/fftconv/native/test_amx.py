"""Convolutions of bfloat16 tensors by AMX, on tiles that are emulated: what is built on them, on any machine."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch import Tensor

from conv_problems import problem, tensors, truth
from native_builds import EMULATED, FOLDER, available, by_each_set, compiled, linked, opened
from windowconv.fftconv import probes
from windowconv.fftconv.native import convolution as native
from windowconv.fftconv.native import library as c
from windowconv.fftconv.tile_plan import make_plan

NATIVE = native.forward, native.backward

SAME = (3, 3, 3, 3)
# of enough rows (tiles of images), columns and depth; beyond that of whole and odd sizes, and of several chunks
CASES = {
    "whole": problem((8, 8), (7, 7), batch=32, channels=(64, 32), padding=SAME),
    "odd": problem((9, 8), (5, 5), batch=35, channels=(37, 67), padding=(2, 2, 2, 2)),
    "groups": problem((8, 8), (7, 7), batch=33, channels=(2 * 35, 2 * 33), groups=2, padding=SAME),
    "many-inputs": problem((4, 4), (3, 3), batch=33, channels=(530, 40), padding=(1, 1, 1, 1)),
    "many-outputs": problem((4, 3), (3, 3), batch=33, channels=(33, 230), padding=(1, 1, 1, 1)),
    "many-images": problem((4, 3), (3, 3), batch=530, channels=(40, 33), padding=(1, 1, 1, 1)),
    "one-image": problem((120, 110), (7, 7), batch=1, channels=(33, 41), padding=SAME),
}
TOO_SMALL = {
    "few-rows": problem((8, 8), (7, 7), batch=31, channels=(64, 64), padding=SAME),
    "few-inputs": problem((8, 8), (7, 7), batch=40, channels=(31, 64), padding=SAME),
    "few-outputs": problem((8, 8), (7, 7), batch=40, channels=(64, 31), padding=SAME),
    "depthwise": problem((8, 8), (7, 7), batch=40, channels=(64, 64), groups=64, padding=SAME),
}


# --- whole convolutions -----------------------------------------------------------------------------------------------


def by_torch(problem, given) -> tuple[Tensor, ...]:
    """What `truth` is, in the tensors' own precision."""
    x, w = given.input.clone().requires_grad_(), given.weight.clone().requires_grad_()
    padding = tuple(axis.before for axis in problem.axes)
    output = torch.conv2d(x, w, given.bias, padding=padding, groups=problem.groups)
    return (output.detach(), *torch.autograd.grad(output, (x, w), given.grad_output))


@pytest.mark.usefixtures("amx")
@pytest.mark.parametrize("name", CASES)
def test_it_is_as_exact_as_torch(name):
    case = CASES[name]
    given, plan = tensors(case, torch.bfloat16, window=False), make_plan(case)
    ours, avx512 = by_each_set(lambda: given.values(*NATIVE, plan))
    for one, other, own, true in zip(ours, avx512, by_torch(case, given), truth(case, given), strict=True):
        assert not torch.equal(one, other), "no tiles were used"
        assert (one - true).norm() <= 1.3 * (own - true).norm()
        assert (one - true).norm() <= 1.001 * (other - true).norm()


@pytest.mark.usefixtures("amx")
@pytest.mark.parametrize("name", CASES)
def test_a_packed_kernel_gives_the_same_output(name):
    given, plan = tensors(CASES[name], torch.bfloat16), make_plan(CASES[name])
    expected, _ = native.forward(plan, given.input, given.weight, given.bias, given.window)
    packed = native.pack(plan, given.weight, given.window)
    assert torch.equal(native.forward_packed(plan, given.input, packed, given.bias, False), expected)


@pytest.mark.usefixtures("amx")
@pytest.mark.parametrize("name", [*CASES, *TOO_SMALL])
def test_all_else_is_left_to_avx512(name):
    """Tensors of float32, and products that leave tiles mostly empty."""
    case = {**CASES, **TOO_SMALL}[name]
    dtype = torch.float32 if name in CASES else torch.bfloat16
    given, plan = tensors(case, dtype), make_plan(case)
    for one, other in zip(*by_each_set(lambda: given.values(*NATIVE, plan)), strict=True):
        assert torch.equal(one, other)


@pytest.mark.usefixtures("amx")
def test_each_thread_has_its_tiles():
    """They must be configured and released by each: the emulation traps otherwise."""
    given, plan = tensors(CASES["odd"], torch.bfloat16), make_plan(CASES["odd"])
    alone = given.values(*NATIVE, plan)
    torch.set_num_threads(3)
    try:
        together = given.values(*NATIVE, plan)
    finally:
        torch.set_num_threads(1)
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)


@pytest.mark.usefixtures("amx")
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_bad_sample_stays_in_its_image(bad):
    given, plan = tensors(CASES["odd"], torch.bfloat16), make_plan(CASES["odd"])
    assert plan.tiles == 1
    output, for_input, for_weight = given.values(*NATIVE, plan)
    given.input[7, 36, 4, 3] = bad
    spoilt, same, spoilt_weight = given.values(*NATIVE, plan)
    others = torch.arange(35) != 7
    assert not spoilt[7].isfinite().any()
    assert torch.equal(spoilt[others], output[others])
    assert torch.equal(same, for_input)
    assert not spoilt_weight[:, 36].isfinite().any()
    assert torch.equal(spoilt_weight[:, :36], for_weight[:, :36])


# --- when it is used --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("amx")
def test_it_is_the_best_set(monkeypatch):
    assert available()[:2] == ["amx", "avx512"]
    assert c.instructions() == "amx"
    monkeypatch.setenv(c.INSTRUCTIONS, "avx512")
    c._opened.cache_clear()
    assert c.instructions() == "avx512"
    assert c.library().wc_select(b"amx") == 0


def test_machines_are_measured_with_products_on_tiles():
    """What `auto` decides by must be what is used."""
    sizes = [(make_plan(p).rows, p.in_channels // p.groups) for p in probes.PROBLEMS]
    assert any(rows >= 32 and channels >= 128 for rows, channels in sizes)


@pytest.mark.parametrize(
    ("header", "right", "wrong"),
    [
        ("tiles.h", "half_of(&a[m][k], which)", "half_of(&a[m][k], 0)"),  # as a fault of the machine's would show
        ("split.h", "as_bfloat16(x - (V)(high << 16))", "Bits{}"),
        ("amx.cpp", "else return -load(imaginary);", "else return load(imaginary);"),
        ("amx.cpp", "    write_sums(all);\n", ""),
    ],
)
def test_a_wrong_product_turns_it_off(emulated_objects, tmp_path, header, right, wrong):
    sources = tmp_path / "sources"
    shutil.copytree(FOLDER, sources, ignore=shutil.ignore_patterns("*.so", "*.py", "__pycache__"))
    text = (sources / header).read_text()
    assert right in text
    (sources / header).write_text(text.replace(right, wrong))
    spoilt = compiled("g++", tmp_path, [sources / "amx.cpp"], "-O1", "-fPIC", EMULATED)
    others = [path for path in emulated_objects if path.stem != "amx"]
    linked("g++", tmp_path / "_kernels.so", [*others, *spoilt], "-shared")
    with opened(tmp_path):
        assert c.instructions() == "avx512"
        assert "amx" not in available()
