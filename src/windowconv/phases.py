"""What a command is doing: a line on standard error for each phase that takes longer than a second."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

AFTER_S = 1.0
"""Seconds that a phase may take before its line is shown."""
AGAIN_S = 10.0
"""Seconds between two lines of one phase, at least."""


class _Phases:
    """The phases that are under way, the innermost last, and the timer that will show it.

    The first one is that of starting: it ends for good when another one begins.
    """

    def __init__(self) -> None:
        self.names: list[str] = ["starting"]
        self.shown: dict[int, float] = {}  # when the last line of each was printed, by its place
        self.timer: threading.Timer | None = None

    def begin(self, name: str) -> None:
        self.names[0] = ""
        self.names.append(name)
        self.shown.pop(len(self.names), None)
        self.wait()

    def end(self) -> None:
        self.names.pop()
        self.wait()

    def wait(self) -> None:
        """Show the innermost phase in a while, unless it was shown or has no name."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        place = len(self.names)
        if place and self.names[-1] and place not in self.shown:
            self.timer = threading.Timer(AFTER_S, self._show, (place, self.names[-1]))
            self.timer.daemon = True
            self.timer.start()

    def tell(self, text: str) -> None:
        place = len(self.names)
        if time.monotonic() - self.shown.get(place, math.inf) > AGAIN_S:
            self._show(place, text)

    def _show(self, place: int, text: str) -> None:
        self.shown[place] = time.monotonic()
        sys.stderr.write(f"{text} ...\n")
        sys.stderr.flush()


_command: _Phases | None = None


@contextmanager
def show_phases() -> Iterator[None]:
    """Show the phases of a command, from its start; elsewhere, as in a script or a notebook, `phase` is silent.

    Of torchrun's processes only the first shows them.
    """
    global _command
    if _command is not None or int(os.environ.get("RANK", "0")):
        yield
        return
    _command = _Phases()
    _command.wait()
    try:
        yield
    finally:
        _command.names.clear()
        _command.wait()
        _command = None


@contextmanager
def phase(name: str) -> Iterator[None]:
    """What is done within: "NAME ..." is printed once that takes longer than a second.

    Args:
        name: what a user would call it, such as "reading cifar10"; empty for what shows by itself how far it is.
    """
    command = _command
    if command is None:
        yield
        return
    command.begin(name)
    try:
        yield
    finally:
        if command.names:
            command.end()


def tell(text: str) -> None:
    """How far the phase is, in a line at most every ten seconds, once the phase's own was shown.

    Args:
        text: such as "heat map: 30 of 225".
    """
    if _command is not None:
        _command.tell(text)
