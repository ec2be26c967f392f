"""The native operator's sources, built in other ways than the installed library."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from windowconv.fftconv import native
from windowconv.fftconv.native import library as c

FOLDER = Path(native.__file__).parent
SOURCES = sorted(FOLDER.glob("*.cpp"))
COMMON = ["-std=c++17", "-Wno-psabi", "-ffp-contract=fast", "-fno-omit-frame-pointer"]
WARNINGS = ["-Wall", "-Wextra"]
EMULATED = "-DWC_EMULATE_TILES"  # the set "amx" wherever there is AVX-512


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a program and have what it says."""
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


def compiled(compiler: str, folder: Path, sources: Iterable[Path], *flags: str) -> list[Path]:
    """The object files; a warning is an error."""

    def build(source: Path) -> Path:
        target = folder / f"{source.stem}.o"
        done = run(compiler, *COMMON, *flags, f"-I{FOLDER}", "-c", source, "-o", target)
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stderr, done.stderr
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(build, sources))


def linked(compiler: str, target: Path, objects: Iterable[Path], *flags: str) -> Path:
    """A program or, by the flags, a library."""
    done = run(compiler, *COMMON, *flags, *objects, "-o", target, "-ldl", "-lpthread")
    assert done.returncode == 0, done.stderr
    return target


@contextmanager
def opened(folder: Path) -> Iterator[None]:
    """The library of a folder in the place of the package's."""
    patch = pytest.MonkeyPatch()
    patch.setattr(c, "__file__", str(folder / "library.py"))
    c._opened.cache_clear()
    try:
        yield
    finally:
        patch.undo()
        c._opened.cache_clear()


def available() -> list[str]:
    """The library's instruction sets."""
    return c.library().wc_available().decode().split() if c.library() else []


def by_each_set(compute: Callable[[], Any]) -> tuple[Any, Any]:
    """What is computed by AMX and by AVX-512."""
    assert c.library().wc_select(b"avx512") == 0
    avx512 = compute()
    assert c.library().wc_select(b"amx") == 0
    return compute(), avx512
