"""The time left holds across runs of different cost; a terminal gets a bar, a file plain lines."""

import io
import os
import pty
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from windowconv.lab import progress
from windowconv.lab.progress import LineProgress, LiveProgress, Progress, show_progress


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def run(shown: Progress, clock: Clock, name: str, seconds_an_image: float, images: int = 100) -> None:
    shown.start_run(name, images)
    for _ in range(images // 10):
        clock.now += 10 * seconds_an_image
        shown.advance(10, 1.0)


def test_time_left_follows_the_cost_of_the_arms(clock: Clock) -> None:
    shown = Progress([1.0, 5.0, 5.0])  # a second an image and unit of cost
    assert str(shown.seconds_left) == "nan"
    shown.start_run("3x3", 100)
    clock.now += 10
    shown.advance(10, 2.0)
    assert shown.seconds_left == pytest.approx(90 + 500 + 500)


@pytest.mark.parametrize("done", [0, 1, 2])
def test_time_left_after_whole_runs(done: int, clock: Clock) -> None:
    costs = [1.0, 5.0, 2.0]
    shown = Progress(costs)
    for cost in costs[: done + 1]:
        run(shown, clock, "x", cost)
    assert shown.seconds_left == pytest.approx(100 * sum(costs[done + 1 :]))


def test_time_left_is_what_an_arm_took_before_where_cost_is_not_time(clock: Clock) -> None:
    shown = Progress([1.0, 5.0, 5.0])
    run(shown, clock, "3x3-seed0", 1.0)
    assert shown.seconds_left == pytest.approx(500 + 500)  # the best guess so far
    run(shown, clock, "7x7-seed0", 2.0)
    clock.now += 20  # the evaluation
    shown.end_epoch(1, 1, 1.0, 0.5)
    assert shown.seconds_left == pytest.approx(220)


def test_runs_that_were_finished_before_take_no_time(clock: Clock) -> None:
    shown = Progress([1.0, 5.0, 1.0, 5.0])
    shown.skip_run("a")
    assert str(shown.seconds_left) == "nan"
    shown.skip_run("b")
    shown.start_run("c", 100)
    clock.now += 50
    shown.advance(50, 1.0)
    assert shown.seconds_left == pytest.approx(50 + 500)
    assert shown.rate == pytest.approx(1.0)


def test_skipping_in_the_middle_leaves_the_rest(clock: Clock) -> None:
    shown = Progress([1.0, 7.0, 2.0])
    run(shown, clock, "a", 1.0)
    shown.skip_run("b")
    assert shown.seconds_left == pytest.approx(200)


def test_elsewhere_there_is_a_line_an_epoch(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(progress, "memory", lambda: "1.0 GiB")
    shown = LineProgress([1.0, 3.0], stream=stream)
    shown.skip_run("3x3-seed0")
    run(shown, clock, "7x7-seed0", 0.5)
    shown.end_epoch(1, 4, 1.23456, 0.87654)
    assert stream.getvalue().splitlines() == [
        "[1/2] 3x3-seed0: finished before, reused",
        "[2/2] 7x7-seed0: 10.0%, loss 1.0000, 2 images/s, 45 s left",  # then none for a minute
        "[2/2] 7x7-seed0: epoch 1/4, loss 1.2346, test accuracy 87.65%, 2 images/s, 0 s left, 1.0 GiB",
    ]


def test_a_file_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress([1.0]) as shown:
        shown.start_run("x", 10)
        shown.advance(10, 0.5)
        shown.end_epoch(1, 1, 0.5, 0.5)
    assert not isinstance(shown, LiveProgress)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert "\x1b" not in captured.err


def test_each_run_has_its_own_number_of_images(clock: Clock) -> None:
    shown = Progress([1.0, 5.0, 2.0], [100, 10, 30], proportional=True)
    run(shown, clock, "a", 1.0)
    assert shown.seconds_left == pytest.approx(10 * 5 + 30 * 2)
    assert shown.time_left == "1 min 50 s left"  # no range
    run(shown, clock, "b", 10.0, 10)
    assert shown.seconds_left == pytest.approx(30 * 2 * 200 / 150)  # all seconds so far over all work so far
    run(shown, clock, "c", 2.0, 30)
    assert shown.time_left == "0 s left"


def test_a_counted_run_says_how_far_it_is(clock: Clock) -> None:
    stream = io.StringIO()
    shown = LineProgress([1.0, 1.0, 1.0], [100, 40, 100], stream=stream)
    count = shown.counter("run pgd", 100)
    for done in range(5, 101, 5):
        clock.now += 1
        count(done)
    shown.counter("run fgsm", 40)(40)  # finished before: no time
    assert shown.seconds_left == pytest.approx(20)
    heat_maps = shown.counter("heat maps")
    clock.now += 3
    heat_maps(2, 2)
    assert stream.getvalue().splitlines() == [
        "[1/3] run pgd: 50 of 100, 38 s left",  # ten seconds and a tenth after the start
        "[1/3] run pgd: 20.0 s, 28 s left",
        "[2/3] run fgsm: 0.0 s, 20 s left",
        "[3/3] heat maps: 3.0 s, 0 s left",
    ]


def test_all_counted_runs_may_be_there_already(clock: Clock) -> None:
    stream = io.StringIO()
    LineProgress(stream=stream).counter("run fgsm")(40, 40)
    assert stream.getvalue() == "[1/1] run fgsm: 0.0 s, 0 s left\n"


def test_without_rich_there_are_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "rich", None)
    with show_progress() as shown:
        shown.skip_run("x")
    assert type(shown) is LineProgress
    assert capsys.readouterr().err == "[1/1] x: finished before, reused\n"


def test_a_notebook_gets_a_live_display(monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress._new_display() is None
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    assert progress._new_display() is None  # in which rich would show nothing
    monkeypatch.setattr(progress, "find_spec", lambda name: name)
    assert progress._new_display().console.stderr


def test_the_other_processes_of_torchrun_show_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    with show_progress() as shown:
        shown.counter("x")(1, 1)
    assert capsys.readouterr().err == ""


SCRIPT = """
import sys
from windowconv.lab.progress import show_progress
with show_progress([1.0, 1.0]) as shown:
    shown.skip_run("3x3-seed0")
    shown.start_run("[b]odd[/b]-seed0", 20)
    shown.advance(10, 0.75)
    shown.display.refresh()
    shown.end_epoch(1, 2, 0.75, 0.5)
    shown.advance(10, 0.5)
    shown.display.refresh()
    with show_progress() as inner:
        assert inner.display is shown.display
        count = inner.counter("heat maps")
        count(1, 4)
        inner.display.refresh()
        assert len(inner.display.tasks) == 2
        count(4, 4)
    assert len(shown.display.tasks) == 1
assert "torch" not in sys.modules
"""


def test_a_terminal_gets_a_live_display() -> None:
    shown = on_a_terminal(SCRIPT)
    assert "\x1b[" in shown
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "[1/2] 3x3-seed0: finished before, reused" in text
    assert "[2/2] [b]odd[/b]-seed0: epoch 1/2, loss 0.7500, test accuracy 50.00%" in text
    for figure in ("loss 0.750", "50%", "100%", "accuracy 50.00%", "images/s", " left"):
        assert figure in text
    assert re.search(r"\[1/1\] heat maps .*25%", text)
    assert re.search(r"\[1/1\] heat maps: [\d.]+ s, 0 s left", text)


def on_a_terminal(script: str) -> str:
    """What a script that must succeed writes to standard error, a terminal of 150 columns."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "150", "LINES": "40"}
    done = subprocess.run([sys.executable, "-c", script], stderr=slave, stdout=subprocess.PIPE, env=environment)
    os.close(slave)
    shown = os.read(master, 1 << 16).decode()
    os.close(master)
    assert done.returncode == 0, shown
    assert done.stdout == b""
    return shown
