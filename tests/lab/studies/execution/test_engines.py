"""Processes share the work and the cores; one that dies costs a second try, and none outlives its study."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from windowconv.errors import InputError
from windowconv.lab.runs.folder import Run
from windowconv.lab.studies.design.design import Design
from windowconv.lab.studies.execution import engines
from windowconv.lab.studies.execution.engines import Processes
from windowconv.lab.studies.folder import StudyFolder

CarryOut = Callable[..., StudyFolder]


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "usable_cores", lambda: 2)


def test_each_gets_its_share_of_the_cores() -> None:
    assert (Processes(2).count, Processes(2).threads) == (2, 1)
    assert (Processes(1).threads, Processes(2, 3).threads) == (2, 3)
    for count in (0, -1, 3):
        with pytest.raises(InputError, match=f"processes={count}; allowed: 1 to 2, the cores of this machine"):
            Processes(count)


def test_processes_come_to_the_same_runs(
    design: Design, carry_out: CarryOut, capfd: pytest.CaptureFixture[str]
) -> None:
    here = carry_out(design, name="here", seeds=1)
    there = carry_out(design, name="there", seeds=1, engine=Processes(2, 1))
    for variant in design.variants:
        assert here.values(variant, "accuracy") == there.values(variant, "accuracy")
        assert here.values(variant, "leakage") == there.values(variant, "leakage")
    assert "of 3 jobs" in capfd.readouterr().err


def test_a_failure_in_a_process_is_one_line(
    design: Design, carry_out: CarryOut, capfd: pytest.CaptureFixture[str]
) -> None:
    done = carry_out(design.changed({"lr": 1e12}), seeds=1, engine=Processes(2, 1))
    assert (done.finished, len(done.record["failures"])) == (0, 3)
    assert "at step" in done.record["failures"]["3x3-seed0"]
    assert "Traceback" not in capfd.readouterr().err


def test_a_process_that_dies_is_replaced(
    design: Design, carry_out: CarryOut, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first worker kills itself at its first job."""
    code = (
        "import os, sys, pathlib, signal\n"
        f"mark = pathlib.Path({str(tmp_path / 'mark')!r})\n"
        "if not mark.exists():\n"
        "    mark.touch(); sys.stdin.readline(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "from windowconv.lab.studies.execution.worker import main\n"
        "sys.exit(main())\n"
    )

    def start(threads: int, place: Path) -> subprocess.Popen[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, "-c", code, str(place)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=environment, start_new_session=True, **pipes)

    monkeypatch.setattr(engines, "_start", start)
    done = carry_out(design, seeds=1, engine=Processes(1, 1))
    assert (done.record["status"], done.finished, done.record["failures"]) == ("finished", 3, {})


PATIENCE = 240.0  # seconds, for a machine that has other work

SCRIPT = """
import sys
from pathlib import Path
from windowconv.lab import recipes
from windowconv.lab.config import Execution, Training
from windowconv.lab.recipes import Recipe
from windowconv.lab.studies.execution.options import StudyOptions
from windowconv.lab.studies.execution.runner import run_study
from windowconv.lab.studies.design.design import Contrast, Design, Variant
from windowconv.lab.studies.execution.engines import Processes
from windowconv.lab.studies.design.plan import Plan

training = Training(image_size=12, train_images=4000, test_images=100, depth=2, width=4, epochs=400, batch_size=8)
recipes.RECIPES["tiny-small"] = Recipe("tiny-small", "for tests", "gratings", training)
design = Design("t", "A claim.", "tiny", (Variant("3x3"), Variant("5x5")), Contrast(("5x5",), ("3x3",)))
run_study(Plan.of(design, "small", 1), Path(sys.argv[1]), StudyOptions(Processes(1, 1), "gratings"))
"""


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_stopping_a_study_stops_its_processes_and_saves(sent: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], stderr=subprocess.DEVNULL) as study:
        try:
            log = tmp_path / "3x3-seed0/metrics.jsonl"
            wait_for(lambda: log.is_file() and "step" in log.read_text())
            worker = children(study.pid)
            assert len(worker) == 1
            study.send_signal(sent)
            study.wait(timeout=PATIENCE)
        finally:
            study.kill()
    wait_for(lambda: not Path(f"/proc/{worker[0]}").exists())
    run = Run.open(tmp_path / "3x3-seed0")
    assert run.record["status"] == "stopped"
    assert list((tmp_path / "3x3-seed0/checkpoints").glob("step-*"))
    status = json.loads((tmp_path / "study.json").read_text())["status"]
    assert status == ("running" if sent == signal.SIGKILL else "stopped")


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(each) for path in threads for each in path.read_text().split()]


def wait_for(there: Callable[[], bool], seconds: float = PATIENCE) -> None:
    until = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)
