"""The processor's name, from Linux and from elsewhere."""

import platform
from pathlib import Path

import pytest

from windowconv.machine import processor_name

CPUINFO = "processor\t: 0\nvendor_id\t: Maker\nmodel name\t: Model: 9 @ 2 GHz\nprocessor\t: 1\nmodel name\t: Other\n"


@pytest.fixture(autouse=True)
def _forget():
    processor_name.cache_clear()
    yield
    processor_name.cache_clear()


def test_linux(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda self, **_: CPUINFO)
    assert processor_name() == "Model: 9 @ 2 GHz"


@pytest.mark.parametrize(("processor", "expected"), [("arm", "arm"), ("", "aarch64")])
@pytest.mark.parametrize("content", [None, "CPU implementer\t: 0x41\n"])
def test_elsewhere(monkeypatch, content, processor, expected):
    def read_text(self, **_):
        if content is None:
            raise FileNotFoundError
        return content

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(platform, "processor", lambda: processor)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert processor_name() == expected
