"""The operator's sources under the sanitizers and by other compilers, with a driver that checks all values too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from native_builds import EMULATED, SOURCES, WARNINGS, compiled, linked, require, run

pytestmark = pytest.mark.slow
DRIVER = Path(__file__).with_name("sanitize.cpp")
STOP = ["-g1", "-O1", "-fno-sanitize-recover=all"]
SANITIZERS = {"address": ["-fsanitize=address,undefined", *STOP], "thread": ["-fsanitize=thread", *STOP]}
OPENMP = ["-Wl,--no-as-needed", "-lgomp"]  # torch's runtime, which the operator finds at run time


def convolve(compiler: str, folder: Path, objects: list[Path], count: int, *flags: str) -> list[str]:
    """Link and run the driver; the instruction sets that it went through."""
    program = linked(compiler, folder / "sanitize", objects, *flags)
    done = run(program, count, env={**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1"})
    assert done.returncode == 0, done.stderr + done.stdout
    *sets, said = done.stdout.splitlines()
    assert "generic" in sets
    assert int(said.split()[0]) >= count * len(sets)
    return sets


@pytest.fixture(scope="module", params=SANITIZERS)
def sanitized(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, list[Path]]:
    """A sanitizer's name, a folder, and what was compiled under it."""
    folder = tmp_path_factory.mktemp(request.param)
    flags = [*SANITIZERS[request.param], EMULATED]
    require("g++", folder, *flags)
    return request.param, folder, compiled("g++", folder, [*SOURCES, DRIVER], *flags)


@pytest.mark.parametrize("runtime", ["threads", "openmp"])
def test_nothing_is_wrong(sanitized, runtime):
    name, folder, objects = sanitized
    if runtime == "openmp" and name == "thread":
        pytest.skip("GCC's OpenMP runtime is not built for this sanitizer: it would be blamed for its own locks")
    sets = convolve("g++", folder, objects, 100, *SANITIZERS[name], *(OPENMP if runtime == "openmp" else []))
    assert ("amx" in sets) == ("avx512" in sets)


@pytest.mark.parametrize("compiler", ["g++", "g++-11", "clang++"])
def test_every_compiler(compiler, tmp_path):
    """Without a warning, and with the right results."""
    require(compiler, tmp_path, "-O2")
    objects = compiled(compiler, tmp_path, [*SOURCES, DRIVER], "-O2", *WARNINGS)
    convolve(compiler, tmp_path, objects, 60, "-O2")
