"""AMX's products of spectra alone, before results are rounded, on tiles that are emulated; and its instructions."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from native_builds import FOLDER, WARNINGS, by_each_set, compiled, require, run
from windowconv.fftconv.native import library as c
from windowconv.fftconv.native.spectra import Runner, Spectrum
from windowconv.fftconv.workspace import workspace

MODES = {"output": c.OUTPUT, "input": c.GRADIENT_INPUT, "kernel": c.GRADIENT_KERNEL}


def unwritten(rows: int, channels: int) -> Spectrum:
    spectrum = Spectrum(2, rows, 1, channels, torch.float32)
    return spectrum.put(torch.full((spectrum.numel,), torch.nan))


def parts(spectrum: Spectrum) -> Tensor:
    """Its numbers, [frequency, real or imaginary, block, row, lane]; of one group."""
    struct, lanes = spectrum.struct, c.library().wc_lanes()
    blocks = -(-struct.channels // lanes)
    shape = (struct.frequencies, 2, blocks, struct.rows, lanes)
    strides = (2 * struct.plane, struct.plane, struct.rows * lanes, lanes, 1)
    assert spectrum.data is not None
    return spectrum.data.as_strided(shape, strides)


def values(spectrum: Spectrum) -> Tensor:
    """[frequency, row, channel], complex."""
    wide = parts(spectrum).double().permute(0, 3, 2, 4, 1).flatten(2, 3)
    return torch.view_as_complex(wide[:, :, : spectrum.struct.channels].contiguous())


def random_spectrum(rows: int, channels: int) -> Spectrum:
    spectrum = unwritten(rows, channels)
    held = parts(spectrum).normal_()
    lanes = held.shape[-1]
    held[:, :, -1, :, channels - channels // lanes * lanes or lanes :] = 0  # lanes without a channel
    return spectrum


def product(mode: int, a: Spectrum, b: Spectrum, size: tuple[int, int], dtype: torch.dtype, packed: bool) -> Tensor:
    out = unwritten(*size)
    with workspace() as take:
        runner = Runner(take)
        if packed:
            whole, b = b, Spectrum(2, size[1], 1, b.struct.channels, torch.float32)
            b.lie_at(runner.pack(whole))
        runner.multiply(a, b, out, mode, dtype, depthwise=False, packed=packed)
    return values(out)


@pytest.mark.usefixtures("amx")
@pytest.mark.parametrize("sizes", [(32, 32, 32), (33, 63, 65), (200, 40, 50), (40, 50, 600), (193, 35, 513)], ids=str)
@pytest.mark.parametrize("mode", [*MODES, "packed"])
def test_a_product_is_right_before_results_are_rounded(mode, sizes):
    rows, columns, depth = sizes
    packed, of = mode == "packed", MODES.get(mode, c.OUTPUT)
    a = random_spectrum(depth, rows) if of == c.GRADIENT_KERNEL else random_spectrum(rows, depth)
    b = random_spectrum(columns, depth) if of == c.OUTPUT else random_spectrum(depth, columns)
    ours, avx512 = by_each_set(lambda: product(of, a, b, (rows, columns), torch.bfloat16, packed))
    exact, same = by_each_set(lambda: product(of, a, b, (rows, columns), torch.float32, packed))
    left = values(a).mT if of == c.GRADIENT_KERNEL else values(a)
    true = left @ (values(b).mT if of == c.OUTPUT else values(b).conj())
    assert (avx512 - true).norm() <= 1e-6 * true.norm()
    assert 1e-6 * true.norm() < (ours - true).norm() <= 1e-5 * true.norm()
    assert (ours - avx512).abs().max() <= 1e-4 * true.abs().max()
    assert torch.equal(exact, avx512)
    assert torch.equal(same, avx512)


# --- the instructions themselves, which not every machine can run -----------------------------------------------------


@pytest.fixture
def compiler(tmp_path: Path) -> str:
    if not sys.platform.startswith("linux"):
        pytest.skip("AMX is used on Linux only")
    require("g++", tmp_path, "-mamx-tile", "-mamx-bf16")
    return "g++"


def test_the_instructions_are_compiled_in(compiler, tmp_path):
    if shutil.which("objdump") is None:
        pytest.skip("no objdump here")
    [built] = compiled(compiler, tmp_path, [FOLDER / "amx.cpp"], "-O2", *WARNINGS)
    said = run("objdump", "-d", "--no-show-raw-insn", built).stdout
    for instruction in ("ldtilecfg", "tilezero", "tileloadd", "tdpbf16ps", "tilestored", "tilerelease"):
        assert re.search(rf"\s{instruction}\b", said), instruction


def tiles_of(function: str, assembly: str) -> list[list[str]]:
    """The words of its instructions that work on tiles."""
    body = assembly.split(f"\n{function}:\n")[1].split(".cfi_endproc")[0]
    return [line.split() for line in re.findall(r"^\s*(?:tile|tdp).*$", body, re.M)]


def test_the_instructions_are_those_of_the_compiler(compiler, tmp_path):
    """What is written out by hand assembles to what the compiler's own functions do."""
    source, assembly = tmp_path / "both.cpp", tmp_path / "both.s"
    source.write_text("""
        #include <immintrin.h>
        #include <stdint.h>
        #define WC_INLINE static inline __attribute__((always_inline))
        #include "tiles.h"
        extern "C" void ours(const void *p, void *q, long step) {
            zero_tile<0>();
            load_tile<4>(p, step);
            load_tile<7>(p, step);
            multiply_tiles<1, 4, 7>();
            multiply_tiles<2, 6, 5>();
            store_tile<3>(q, step);
            release_tiles();
        }
        extern "C" void compilers(const void *p, void *q, long step) {
            _tile_zero(0);
            _tile_loadd(4, p, step);
            _tile_loadd(7, p, step);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 6, 5);
            _tile_stored(3, q, step);
            _tile_release();
        }
    """)
    done = run(compiler, "-std=c++17", "-O1", f"-I{FOLDER}", "-mamx-tile", "-mamx-bf16", "-S", source, "-o", assembly)
    assert done.returncode == 0, done.stderr
    ours, theirs = (tiles_of(name, assembly.read_text()) for name in ("ours", "compilers"))
    assert len(ours) == 7
    assert ours == theirs
