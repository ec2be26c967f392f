"""The native operator with each of the machine's instruction sets, and with the tiles of AMX emulated."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from native_builds import EMULATED, SOURCES, WARNINGS, available, compiled, linked, opened, require
from windowconv.fftconv.native import library as c

_opened = c.library()
AVAILABLE = available() or ["none"]


@pytest.fixture(scope="module", params=AVAILABLE)
def instructions(request: pytest.FixtureRequest) -> Iterator[str]:
    """One instruction set after the other; at the end the one that was in use."""
    if _opened is None:
        pytest.skip(c.why_not())
    before = _opened.wc_instructions()
    assert _opened.wc_select(request.param.encode()) == 0
    yield request.param
    _opened.wc_select(before)


@pytest.fixture(scope="session")
def emulated_objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The operator's object files, with tiles emulated."""
    if "avx512" not in AVAILABLE:
        pytest.skip("no AVX-512 here, on top of which AMX is used")
    folder = tmp_path_factory.mktemp("emulated")
    require("g++", folder)
    return compiled("g++", folder, SOURCES, "-O2", "-fPIC", *WARNINGS, EMULATED)


@pytest.fixture(scope="module", params=["emulated", *(["machine"] if "amx" in AVAILABLE else [])])
def amx(request: pytest.FixtureRequest) -> Iterator[None]:
    """A library that has the set "amx" in the place of the package's; and the package's where the machine has it."""
    if _opened is not None and request.param == "machine":
        before = _opened.wc_instructions()
        assert _opened.wc_select(b"amx") == 0
        yield
        _opened.wc_select(before)
        return
    objects = request.getfixturevalue("emulated_objects")
    library = linked("g++", objects[0].with_name("_kernels.so"), objects, "-shared")
    with opened(library.parent):
        yield
