"""What every test starts from: one thread, one seed, reproducible Hypothesis examples, no measured machine."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from windowconv import cli, phases

Shell = Callable[..., tuple[int, str, str]]

settings.register_profile(
    "windowconv", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("windowconv")
torch.set_num_threads(1)
os.environ["WINDOWCONV_CALIBRATION"] = "0"  # of subprocesses too


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    """How slow the machine is shows in no output that a test reads."""
    monkeypatch.setattr(phases, "AFTER_S", 1e6)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """`shell("compare --seeds 1", path)`: exit code, standard output and error, in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(words: str, *more: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = cli.main([*words.split(), *map(str, more)])
        except SystemExit as left:
            code = int(left.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call
