"""How the library is found, refused and described."""

import subprocess
import sys
from collections.abc import Iterator
from ctypes import CDLL
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from windowconv.errors import InputError
from windowconv.fftconv import execution, reference
from windowconv.fftconv.native import convolution as native
from windowconv.fftconv.native import library as c

needs_library = pytest.mark.skipif(c.library() is None, reason=c.why_not())
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _opened_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The library is opened by each test and, at the end, as it was; the instruction set in use stays."""
    before = c.instructions()
    monkeypatch.delenv(c.OFF, raising=False)
    c._opened.cache_clear()
    yield
    monkeypatch.undo()
    c._opened.cache_clear()
    if before is not None:
        c.library().wc_select(before.encode())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the package's."""
    monkeypatch.setattr(c, "__file__", str(tmp_path / "library.py"))
    return tmp_path


def check_without(reason: str) -> None:
    assert c.library() is None
    assert c.instructions() is None
    assert reason in c.why_not()
    assert not native.supports(CPU, torch.float32)
    assert execution.implementation(torch.float32, CPU) is reference


@needs_library
def test_the_best_set_is_used():
    assert c.library().wc_interface() == c.INTERFACE
    assert c.why_not() == ""
    assert c.instructions() in c.library().wc_available().decode().split()
    assert "generic" in c.library().wc_available().decode().split()
    assert execution.implementation(torch.float32, CPU) is native


@needs_library
def test_what_it_takes():
    assert native.supports(CPU, torch.float32)
    assert native.supports(CPU, torch.bfloat16)
    for dtype in (torch.float64, torch.float16, torch.complex64):
        assert not native.supports(CPU, dtype)
    assert not native.supports(torch.device("meta"), torch.float32)


def test_turned_off(monkeypatch):
    monkeypatch.setenv(c.OFF, "0")
    check_without("turned off by WINDOWCONV_NATIVE=0")


@pytest.mark.parametrize("value", ["1", ""])
@needs_library
def test_not_turned_off(monkeypatch, value):
    monkeypatch.setenv(c.OFF, value)
    assert c.library() is not None


def test_never_built(folder):
    check_without("it was not built when windowconv was installed")


def test_failed_to_build(folder):
    (folder / c.FAILURE).write_text("it could not be built when windowconv was installed: no compiler\n")
    check_without("installed: no compiler")
    assert not c.why_not().endswith("\n")


def test_no_library_at_all(folder):
    (folder / "_kernels.so").write_bytes(b"not a library")
    check_without("_kernels.so could not be loaded: ")


@needs_library
def test_a_library_that_lacks_a_function(folder, monkeypatch):
    (folder / "_kernels.so").write_bytes(b"")
    monkeypatch.setattr(c.ctypes, "CDLL", lambda path: SimpleNamespace())
    check_without("_kernels.so could not be loaded: ")


@needs_library
def test_built_from_other_sources(monkeypatch):
    monkeypatch.setattr(c, "INTERFACE", c.INTERFACE + 1)
    check_without("was built from other sources: install windowconv again")


@needs_library
def test_a_chosen_instruction_set(monkeypatch):
    monkeypatch.setenv(c.INSTRUCTIONS, "generic")
    assert c.instructions() == "generic"


@needs_library
def test_an_unknown_instruction_set(monkeypatch):
    monkeypatch.setenv(c.INSTRUCTIONS, "mmx")
    with pytest.raises(InputError, match=r"WINDOWCONV_INSTRUCTIONS='mmx'; allowed on this machine: .*generic"):
        c.library()


@needs_library
def test_amx_only_where_the_machine_has_it(monkeypatch):
    processor = Path("/proc/cpuinfo")
    if not processor.exists() or "amx_bf16" in processor.read_text():
        pytest.skip("this machine may have it")
    assert "amx" not in c.library().wc_available().decode().split()
    c._opened.cache_clear()
    monkeypatch.setenv(c.INSTRUCTIONS, "amx")
    with pytest.raises(InputError, match=r"WINDOWCONV_INSTRUCTIONS='amx'; allowed on this machine: .*generic"):
        c.library()


@needs_library
def test_only_the_interface_is_exported():
    """What else a library exported could be mixed up with another's of the same name."""
    [found, *_] = sorted(Path(str(c.__file__)).parent.glob("_kernels*"))
    opened = CDLL(str(found))
    assert all(hasattr(opened, name) for name in c._SIGNATURES)
    listed = subprocess.run(["nm", "-D", "--defined-only", found], capture_output=True, text=True, check=False)
    names = [line.split()[-1] for line in listed.stdout.splitlines()]
    assert [name for name in names if "windowconv" in name] == []


@needs_library
@pytest.mark.parametrize("value", ["generic", "0"])
def test_the_environment_of_a_new_process(value):
    name = c.OFF if value == "0" else c.INSTRUCTIONS
    code = "from windowconv.fftconv.native import library; print(library.instructions())"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "", name: value, "PYTHONPATH": str(Path(str(c.__file__)).parents[3])},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert said.stdout.split() == ["None" if value == "0" else "generic"]
