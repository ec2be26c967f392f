"""A command says what it does once that takes a while; libraries and fast commands say nothing."""

import re
import time
from collections.abc import Callable

import pytest

from windowconv import phases
from windowconv.phases import phase, show_phases, tell


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    monkeypatch.setattr(phases, "AFTER_S", 0.05)
    monkeypatch.setattr(phases, "AGAIN_S", 0.05)
    return lambda: capsys.readouterr().err


def test_what_takes_long_is_named_once_and_the_innermost_first(said: Callable[[], str]) -> None:
    with show_phases():
        with phase("quick"):
            pass
        with phase("outer"):
            with phase("inner"):
                time.sleep(0.3)
            time.sleep(0.3)
            with phase("quick again"):
                pass
            time.sleep(0.3)
        time.sleep(0.3)
    assert said() == "inner ...\nouter ...\n"


def test_starting_is_a_phase_until_another_begins(said: Callable[[], str]) -> None:
    with show_phases():
        time.sleep(0.3)
        with phase(""):  # such as a bar of progress
            time.sleep(0.3)
        time.sleep(0.3)
    assert said() == "starting ...\n"


def test_how_far_a_phase_is_comes_after_its_own_line(said: Callable[[], str]) -> None:
    with show_phases(), phase("heat map"):
        tell("heat map: 1 of 9")
        time.sleep(0.4)
        tell("heat map: 2 of 9")
        tell("heat map: 3 of 9")
    assert said() == "heat map ...\nheat map: 2 of 9 ...\n"


def test_outside_of_a_command_nothing_is_said(said: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    with phase("a script's"):
        tell("far")
        time.sleep(0.2)
    monkeypatch.setenv("RANK", "1")
    with show_phases(), phase("another process's"):
        time.sleep(0.2)
    assert said() == ""


def test_an_error_ends_a_phase(said: Callable[[], str]) -> None:
    with pytest.raises(ValueError, match="x"), show_phases(), phase("outer"), phase("inner"):
        raise ValueError("x")
    time.sleep(0.2)
    assert not re.search("inner|outer", said())
