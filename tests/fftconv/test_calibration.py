"""Measuring a machine, and what is kept of it: the measurement itself is replaced by numbers."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from windowconv.fftconv import calibration, probes
from windowconv.fftconv.calibration import BUILT_IN, cache_file, calibrate, enabled, kept, key, rates, read
from windowconv.fftconv.cost import SHARES
from windowconv.fftconv.probes import PROBLEMS, _Run, _runs, _steady
from windowconv.fftconv.problem import Problem
from windowconv.fftconv.rates import Probe, Rates, fit_factors, share_of
from windowconv.files import CACHE

FACTORS = {"direct float32": {"call": 1.5, "memory": 2.0, "arithmetic": 0.5}}


class Machine:
    """Counts how often it is measured."""

    def __init__(self) -> None:
        self.times = 0
        self.threads: list[int] = []
        self.busy = False

    def measure(self, _: object) -> dict[str, dict[str, float]] | None:
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        self.times += 1
        self.threads.append(torch.get_num_threads())
        time.sleep(0.02)
        return None if self.busy else FACTORS


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """Measuring turned on, with an empty cache folder and numbers at hand."""
    machine = Machine()
    monkeypatch.setattr(probes, "measure", machine.measure)
    monkeypatch.setattr(calibration, "_found", {})
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.delenv(calibration.OFF)
    return machine


def forget() -> None:
    """As a new process starts."""
    calibration._found.clear()


def file() -> Path:
    path = cache_file()
    assert path is not None
    return path


def test_measured_once_and_kept(machine):
    first = rates(F.conv2d)
    assert first.factors == FACTORS
    assert rates(F.conv2d) is first
    forget()
    assert rates(F.conv2d).factors == FACTORS
    assert machine.times == 1
    content = json.loads(file().read_text())
    assert content["key"] == key()
    assert [path.name for path in file().parent.iterdir()] == [file().name]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"key": 1, "factors": {}}',
        "\x00",
        '{"key": KEY, "factors": {}}',
        '{"key": KEY, "factors": []}',
        '{"key": KEY, "factors": {"direct float32": {"call": 1}}}',
        '{"key": KEY, "factors": {"direct float32": {"call": 1, "memory": -1, "arithmetic": 1}}}',
        '{"key": KEY, "factors": {"direct float32": {"call": 1, "memory": NaN, "arithmetic": 1}}}',
        '{"key": {"processor": "another"}, "factors": {"direct float32": {"call": 1, "memory": 1, "arithmetic": 1}}}',
    ],
)
def test_an_unreadable_or_foreign_file_is_measured_anew(machine, content):
    file().parent.mkdir()
    file().write_text(content.replace("KEY", json.dumps(key())))
    assert read(file()) is None
    assert rates(F.conv2d).factors == FACTORS
    assert machine.times == 1
    assert read(file()) == FACTORS


def test_an_unwritable_folder_is_no_error(machine, monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv(CACHE, str(tmp_path / "taken"))
    assert rates(F.conv2d).factors == FACTORS
    assert rates(F.conv2d).factors == FACTORS
    assert machine.times == 1


def test_a_user_without_a_home(machine, monkeypatch):
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv(CACHE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_file() is None
    assert rates(F.conv2d).factors == FACTORS
    assert machine.times == 1


def test_where_files_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE, str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert file().parent == tmp_path / "own"
    monkeypatch.delenv(CACHE)
    assert file().parent == tmp_path / "xdg" / "windowconv"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert file().parent == tmp_path / ".cache" / "windowconv"


def test_turned_off(machine, monkeypatch):
    monkeypatch.setenv(calibration.OFF, "0")
    assert not enabled()
    assert rates(F.conv2d) is BUILT_IN
    assert machine.times == 0
    assert calibrate(F.conv2d).factors == FACTORS  # asked for explicitly
    assert rates(F.conv2d) is BUILT_IN


def test_calibrate_measures_anew(machine):
    rates(F.conv2d)
    calibrate(F.conv2d)
    assert machine.times == 2
    rates(F.conv2d)
    assert machine.times == 2


def test_a_busy_machine_is_not_kept(machine):
    machine.busy = True
    assert rates(F.conv2d).factors == {}
    assert rates(F.conv2d).factors == {}
    assert machine.times == 1
    assert not file().exists()
    forget()
    machine.busy = False
    assert rates(F.conv2d).factors == FACTORS


def test_each_number_of_threads_is_measured(machine):
    before = torch.get_num_threads()
    try:
        for count in (1, 2, 1):
            torch.set_num_threads(count)
            rates(F.conv2d)
    finally:
        torch.set_num_threads(before)
    assert machine.threads == [1, 2]


def test_the_key_tells_what_matters(machine, monkeypatch):
    one = key()
    assert set(one) == {"processor", "threads", "torch", "windowconv", "implementation", "built_in"}
    name = file().name
    monkeypatch.setattr(calibration.library, "instructions", lambda: "another")
    calibration._identity.cache_clear()
    try:
        assert key() != one
        assert file().name != name
    finally:
        monkeypatch.undo()
        calibration._identity.cache_clear()


def test_many_threads_measure_once(machine):
    found: list[Rates] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        found.append(rates(F.conv2d))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert machine.times == 1
    assert len(found) == 8
    assert len({id(r) for r in found}) == 1


def test_the_callers_modes_do_not_reach_the_measurement(machine):
    with torch.inference_mode():
        assert rates(F.conv2d).factors == FACTORS


def test_not_measured_with_fake_tensors(machine):
    with FakeTensorMode():
        assert rates(F.conv2d) is BUILT_IN
    assert machine.times == 0
    rates(F.conv2d)
    with FakeTensorMode():
        assert rates(F.conv2d).factors == FACTORS


def test_not_measured_in_a_workers_process(machine, monkeypatch):
    monkeypatch.setattr(calibration, "get_worker_info", lambda: object())
    assert rates(F.conv2d) is BUILT_IN
    monkeypatch.undo()
    assert machine.times == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_not_measured_after_a_fork():
    script = """
import os, torch
from windowconv.fftconv import calibration, probes
probes.measure = lambda _: os._exit(3)
child = os.fork()
if child == 0:
    os._exit(0 if calibration.rates(torch.conv2d) is calibration.BUILT_IN else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    environment = {**os.environ, "WINDOWCONV_CALIBRATION": "1", "WINDOWCONV_CACHE": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "0"


def test_kept_measures_nothing(machine):
    assert kept() is None
    rates(F.conv2d)
    forget()
    found = kept()
    assert found is not None
    assert found.factors == FACTORS
    assert machine.times == 1


# --- the measurement --------------------------------------------------------------------------------------------------


def probe(counts: dict[str, float], seconds: float) -> Probe:
    return Probe(counts, {"call": 1.0, "sample": 1.0, "product": 1.0}, seconds)


def test_factors_of_the_same_machine_are_one():
    parts = [{"call": 1, "sample": 2, "product": 3}, {"call": 4, "sample": 1}, {"product": 7, "sample": 1}]
    assert fit_factors([probe(part, sum(part.values())) for part in parts]) == dict.fromkeys(SHARES, 1.0)


def test_factors_of_a_slower_machine():
    parts = [{"call": 1, "sample": 2, "product": 3}, {"call": 4, "sample": 1}, {"product": 7, "sample": 1}]
    found = fit_factors([probe(part, 5 * sum(part.values())) for part in parts])
    assert found == pytest.approx(dict.fromkeys(SHARES, 5.0), rel=1e-3)


def test_factors_tell_memory_from_arithmetic():
    parts = [{"sample": 9, "product": 1}, {"sample": 1, "product": 9}, {"sample": 5, "product": 5}]
    found = fit_factors([probe(part, 2 * part["sample"] + part["product"]) for part in parts])
    assert found["memory"] > 1.5 > 1.3 > found["arithmetic"] > 0.9


def test_every_kind_of_work_has_a_share():
    assert {share_of(kind) for kinds in SHARES.values() for kind in kinds} == set(SHARES)


def test_rates_are_multiplied_by_the_factors_of_their_group():
    plain, doubled = Rates(), Rates({"native float32": dict.fromkeys(SHARES, 2.0)})
    for dtype, family, factor in (("float32", "dense", 2), ("bfloat16", "strided", 2), ("float32", "depthwise", 2)):
        one, two = (r.row("native", dtype, family, "step") for r in (plain, doubled))
        assert two == {kind: factor * rate for kind, rate in one.items()}
    assert doubled.row("direct", "float32", "dense", "step") == plain.row("direct", "float32", "dense", "step")


def test_a_machine_is_steady_if_times_can_be_had_again():
    run = next(_runs(PROBLEMS[0], torch.float32, F.conv2d))
    run.seconds = {"forward": [1.0, 1.02, 5.0], "step": [3.0, 2.0, 2.1]}
    assert _steady([run])
    run.seconds = {"forward": [1.0, 1.3, 5.0], "step": [3.0, 2.0, 2.4]}
    assert not _steady([run])


def test_measuring_tiny_problems(monkeypatch):
    tiny = tuple(Problem(1, c, c, g, PROBLEMS[0].axes) for c, g in ((4, 1), (4, 4)))
    monkeypatch.setattr(probes, "PROBLEMS", tiny)
    monkeypatch.setattr(probes, "SECONDS", 0.0)
    monkeypatch.setattr(probes, "UNSTEADY", 1e9)
    state = torch.get_rng_state()
    found = probes.measure(F.conv2d)
    assert torch.equal(torch.get_rng_state(), state)  # the user's random numbers are left alone
    assert found is not None
    assert {name.split()[0] for name in found} <= {"direct", "native", "reference"}
    assert len(found) == 8
    assert all(set(factors) == set(SHARES) and min(factors.values()) > 0 for factors in found.values())


def test_measuring_gives_up(monkeypatch):
    calls: list[_Run] = []
    monkeypatch.setattr(probes, "GIVE_UP", 0.0)
    monkeypatch.setattr(_Run, "time", lambda run: calls.append(run))
    assert probes.measure(F.conv2d) is None
    assert len(calls) == 1
