"""`windowconv info`: what is said of each state of a machine."""

import subprocess
import sys

import pytest
import torch

import windowconv
from windowconv.cli import info
from windowconv.fftconv import calibration, probes
from windowconv.fftconv.native import library
from windowconv.files import CACHE

FACTORS = {"native float32": {"call": 1.25, "memory": 0.5, "arithmetic": 3.0}}


@pytest.fixture
def _measurable(monkeypatch, tmp_path):
    monkeypatch.setattr(probes, "measure", lambda _: FACTORS)
    monkeypatch.setattr(calibration, "_found", {})
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.delenv(calibration.OFF)


def line(text: str, start: str) -> str:
    return next(each for each in text.splitlines() if each.startswith(start))


def test_versions_and_threads(shell):
    code, out, err = shell("info")
    assert (code, err) == (0, "")
    assert line(out, "windowconv").split()[1:4] == [f"{windowconv.__version__},", "torch", f"{torch.__version__},"]
    assert f"torch uses {torch.get_num_threads()} threads" in line(out, "processor")
    assert " MiB" in line(out, "workspace")
    assert line(out, "calibration").endswith("off (WINDOWCONV_CALIBRATION=0); built-in rates are used")


def test_the_native_operator_or_why_it_is_not_there(shell, monkeypatch):
    if library.library() is not None:
        assert " (available: " in line(shell("info")[1], "native operator")
        for used, said in (("avx2", "avx2 (available"), ("amx", "avx512, with amx for bfloat16 (available")):
            monkeypatch.setattr(library, "instructions", lambda used=used: used)
            assert said in line(info.report(), "native operator")
    monkeypatch.setattr(library, "library", lambda: None)
    monkeypatch.setattr(library, "why_not", lambda: "no compiler was found")
    assert "not used: no compiler was found; PyTorch operations" in line(info.report(), "native operator")


@pytest.mark.usefixtures("_measurable")
def test_before_and_after_measuring(shell, tmp_path):
    assert "not measured yet" in line(shell("info")[1], "calibration")
    assert not (tmp_path / "cache").exists()
    code, out, _ = shell("info --calibrate")
    assert code == 0
    assert f"measured just now; stored in {tmp_path}" in line(out, "calibration")
    assert line(out, "native float32").split() == ["native", "float32", "1.25", "0.50", "3.00"]
    assert "on; stored in" in line(shell("info")[1], "calibration")


@pytest.mark.usefixtures("_measurable")
def test_where_nothing_can_be_written(shell, monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv(CACHE, str(tmp_path / "taken"))
    code, out, _ = shell("info --calibrate")
    assert code == 0
    assert "cannot be written" in line(out, "calibration")


@pytest.mark.usefixtures("_measurable")
def test_a_busy_machine(shell, monkeypatch):
    monkeypatch.setattr(probes, "measure", lambda _: None)
    assert "too busy to measure" in line(shell("info --calibrate")[1], "calibration")
    assert "too busy to measure" in line(shell("info")[1], "calibration")


def test_help_imports_nothing_heavy():
    script = """
import sys
from windowconv.cli import main
try:
    main(["info", "--help"])
except SystemExit:
    pass
print([name for name in ("torch", "numpy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")
    assert "--calibrate" in done.stdout
