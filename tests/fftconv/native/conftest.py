"""The native operator with each of the machine's instruction sets."""

from collections.abc import Iterator

import pytest

from windowconv.fftconv.native import library as c

_opened = c.library()
AVAILABLE = _opened.wc_available().decode().split() if _opened else ["none"]


@pytest.fixture(scope="module", params=AVAILABLE)
def instructions(request: pytest.FixtureRequest) -> Iterator[str]:
    """One instruction set after the other; at the end the one that was in use."""
    if _opened is None:
        pytest.skip(c.why_not())
    before = _opened.wc_instructions()
    assert _opened.wc_select(request.param.encode()) == 0
    yield request.param
    _opened.wc_select(before)
