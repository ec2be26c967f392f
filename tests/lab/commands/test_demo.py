"""The demo falls back on gratings only where the data are missing, and says so."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from windowconv.errors import InputError
from windowconv.lab.commands import demo
from windowconv.lab.config import Training
from windowconv.lab.data import DataNotFound, ImageData
from windowconv.lab.studies.execution import jobs
from windowconv.lab.studies.folder import StudyFolder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tiny: ImageData, tmp_path: Path) -> Iterator[list[str]]:
    """A demo of a second; the data that were asked for."""
    asked: list[str] = []

    def load(name: str, *_: Any, **__: Any) -> ImageData:
        asked.append(name)
        if name == "gratings":
            return tiny
        raise DataNotFound("Fashion-MNIST was not found in x: put it there")

    monkeypatch.setattr(demo, "load", load)
    monkeypatch.setattr(jobs, "load", load)
    monkeypatch.setattr(demo, "ARMS", ("3x3", "5x5-hamming"))
    monkeypatch.setattr(demo, "SIZE", Training(width=2, depth=2, epochs=1))
    monkeypatch.setattr(sys, "argv", ["demo", "--out", str(tmp_path / "demo")])
    jobs._read.cache_clear()
    yield asked
    jobs._read.cache_clear()


def test_without_data_it_says_so_and_goes_on(
    small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main() == 0
    assert list(dict.fromkeys(small)) == ["fashion-mnist", "gratings"]
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert lines[0] == "windowconv: Fashion-MNIST was not found in x: put it there."
    assert lines[1].startswith("Using generated gratings instead")
    assert f"Report: {tmp_path / 'demo-gratings/report.html'}" in out
    assert not (tmp_path / "demo").exists()
    study = StudyFolder.open(tmp_path / "demo-gratings")
    assert (study.data, study.training.train_images, study.finished) == ("gratings", 70, 4)


def test_damaged_data_are_no_reason_to_go_on(
    small: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def load(name: str, *_: Any, **__: Any) -> ImageData:
        raise InputError(f"{name}.gz: has MD5 0, expected 1")

    monkeypatch.setattr(jobs, "load", load)
    assert demo.main() == 2
    assert capsys.readouterr().err == "windowconv: fashion-mnist.gz: has MD5 0, expected 1\n"
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_is_one_line(
    small: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "compare", interrupted)
    assert demo.main() == 130
    assert capsys.readouterr().err.splitlines()[-1].startswith("windowconv: interrupted; finished work is kept")
