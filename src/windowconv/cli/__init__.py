"""The `windowconv` command; other packages register subcommands as entry points of the group `windowconv.commands`.

A subcommand is a dataclass whose fields are its options and whose method `run()` does the work. It is imported to
print the help, so its module imports nothing heavy at the top.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr
from importlib.metadata import EntryPoints, entry_points, version
from importlib.util import find_spec
from typing import Any

from windowconv.cli.help import overview, registry
from windowconv.cli.refusals import one_line, out_of_memory
from windowconv.errors import InputError, WindowWarning, require, unknown
from windowconv.phases import show_phases

GROUP = "windowconv.commands"
WITHOUT_PARSER = ("info",)
"""Commands that a bare installation, without tyro, runs too, if no option is given."""
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Environment variables: how threads of GNU's OpenMP, which torch uses, wait for one another."""
SPINS = "10000"
"""Turns for which they spin before they sleep. GNU's default is many more, which on an idle machine is as fast, and
beside other processes holds the cores that the threads wait for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 2, with one line on standard error, for unusable input."""
    if not os.environ.keys() & set(WAITING):  # read when torch is imported, which no command has done yet
        os.environ["GOMP_SPINCOUNT"] = SPINS
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()  # a closed pipe raises here, not when Python ends
    except BrokenPipeError:  # such as by `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
        return 128 + 13  # as the shell has it for a process that SIGPIPE ended


def _run(arguments: Sequence[str] | None) -> int:
    try:
        words = list(sys.argv[1:] if arguments is None else arguments)
        if words == ["--version"]:
            print(f"windowconv {version('windowconv')}")
            return 0
        if words in ([], ["-h"], ["--help"]):
            require("tyro", "cli")
            commands = {entry.name: entry.load() for entry in sorted(_entries(), key=lambda entry: entry.name)}
            print(overview(commands), file=sys.stdout if words else sys.stderr)
            return 0 if words else 2
        command = _parse(words)
        with warnings.catch_warnings(), show_phases():
            warnings.showwarning = _one_line(warnings.showwarning)
            return command.run() or 0
    except InputError as error:
        print(f"windowconv: {error}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if (reason := out_of_memory(error)) is None:
            raise
        print(f"windowconv: {reason}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:  # a disk or a folder that gave way, and no bug; what had been written whole is kept
        print(f"windowconv: {_os_reason(error)}; finished work is kept", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        reason = str(stop) or "interrupted"
        print(f"windowconv: {reason}; finished work is kept; run the same command to continue", file=sys.stderr)
        return getattr(stop, "code", 130)


def _os_reason(error: OSError) -> str:
    """In a line, with the file's name where it is known."""
    reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
    return reason if error.filename is None else f"{error.filename}: {reason}"


def _entries() -> EntryPoints:
    return entry_points(group=GROUP)


def _parse(words: Sequence[str]) -> Any:
    """The command that the words name, with its options.

    A command class may have a method `defaults(arguments)`: an instance that its options start from, or None.
    """
    name, options = words[0], words[1:]
    found = {entry.name: entry for entry in _entries()}
    if name not in found:
        raise unknown("command", name, found)
    if not options and not find_spec("tyro") and name in WITHOUT_PARSER:
        return found[name].load()()
    tyro = require("tyro", "cli")
    kind = found[name].load()
    start: Any = {}
    if hasattr(kind, "defaults") and (default := kind.defaults(options)) is not None:
        start = {"default": default}
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return tyro.cli(
                kind, prog=f"windowconv {name}", args=options, use_underscores=False, registry=registry(), **start
            )
    except SystemExit as left:
        if (refused := _input_error(left)) is not None:
            raise refused from None
        if not left.code:
            raise
        raise InputError(one_line(said.getvalue(), name)) from None


def _input_error(error: BaseException | None) -> InputError | None:
    """The `InputError` in whose wake an exception was raised: tyro puts a frame around what settings refuse."""
    while error is not None and not isinstance(error, InputError):
        error = error.__context__
    return error


def _one_line(default: Any) -> Any:
    """Show each of the library's own warnings once, without the source line that Python prints below it."""
    shown: set[str] = set()

    def show(message: Any, category: type[Warning], *rest: Any, **options: Any) -> None:
        if issubclass(category, WindowWarning):
            if str(message) not in shown:
                print(f"windowconv: warning: {message}", file=sys.stderr)
            shown.add(str(message))
        else:
            default(message, category, *rest, **options)

    return show
