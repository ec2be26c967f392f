"""Stopping in an orderly way: a signal is noted, and the training loop saves before it obeys."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

CODE = 128  # of a shell, plus the signal's number


class Stopped(KeyboardInterrupt):
    """A training that was stopped by a signal after it saved its state."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.code = CODE + signal_number


class StopRequest:
    """Whether a signal has asked to stop, and which."""

    signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextmanager
def listening() -> Iterator[StopRequest]:
    """SIGTERM and the first Ctrl-C are noted instead of obeyed; a second Ctrl-C is obeyed at once.

    Only the main thread can listen; elsewhere signals do what they did.
    """
    request = StopRequest()

    def note(number: int, frame: FrameType | None) -> None:
        if request and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.signal = number

    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
