"""The operator's sources under the sanitizers and by other compilers, with a driver that checks all values too."""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from windowconv.fftconv import native

pytestmark = pytest.mark.slow
SOURCES = Path(native.__file__).parent
DRIVER = Path(__file__).with_name("sanitize.cpp")
COMMON = ["-std=c++17", "-Wno-psabi", "-fno-omit-frame-pointer"]
STOP = ["-g1", "-O1", "-fno-sanitize-recover=all"]
SANITIZERS = {"address": ["-fsanitize=address,undefined", *STOP], "thread": ["-fsanitize=thread", *STOP]}
OPENMP = ["-Wl,--no-as-needed", "-lgomp"]  # torch's runtime, which the operator finds at run time


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=580, **options
    )


def require(compiler: str, folder: Path, *flags: str) -> None:
    """Skip without the compiler, or where what it builds with these flags does not run here."""
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    source, program = folder / "empty.cpp", folder / "empty"
    source.write_text("int main() { return 0; }\n")
    built = run(compiler, *COMMON, *flags, source, "-o", program)
    if built.returncode != 0:
        pytest.skip(f"{compiler} {' '.join(flags)} does not link here: {built.stderr.strip()[:200]}")
    started = run(program)
    if started.returncode != 0:
        pytest.skip(f"what {compiler} {' '.join(flags)} builds does not run here: {started.stderr.strip()[:200]}")


def compiled(compiler: str, folder: Path, *flags: str) -> list[Path]:
    """The object files of the operator and of the driver."""

    def build(source: Path) -> Path:
        target = folder / f"{source.stem}.o"
        done = run(compiler, *COMMON, *flags, f"-I{SOURCES}", "-c", source, "-o", target)
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stderr, done.stderr
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(build, [*sorted(SOURCES.glob("*.cpp")), DRIVER]))


def convolve(compiler: str, folder: Path, objects: list[Path], count: int, *flags: str) -> list[str]:
    """Link and run the driver; the instruction sets that it went through."""
    program = folder / "sanitize"
    linked = run(compiler, *COMMON, *flags, *objects, "-o", program, "-ldl", "-lpthread")
    assert linked.returncode == 0, linked.stderr
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
    require("g++", folder, *SANITIZERS[request.param])
    return request.param, folder, compiled("g++", folder, *SANITIZERS[request.param])


@pytest.mark.parametrize("runtime", ["threads", "openmp"])
def test_nothing_is_wrong(sanitized, runtime):
    name, folder, objects = sanitized
    if runtime == "openmp" and name == "thread":
        pytest.skip("GCC's OpenMP runtime is not built for this sanitizer: it would be blamed for its own locks")
    convolve("g++", folder, objects, 100, *SANITIZERS[name], *(OPENMP if runtime == "openmp" else []))


@pytest.mark.parametrize("compiler", ["g++", "g++-11", "clang++"])
def test_every_compiler(compiler, tmp_path):
    """Without a warning, and with the right results."""
    require(compiler, tmp_path, "-O2")
    objects = compiled(compiler, tmp_path, "-O2", "-Wall", "-Wextra", "-ffp-contract=fast")
    convolve(compiler, tmp_path, objects, 60, "-O2")
