"""The `windowconv` command; other packages register subcommands as entry points of the group `windowconv.commands`.

A subcommand is a dataclass whose fields are its options and whose method `run()` does the work. It is imported to
print the help, so its module imports nothing heavy at the top.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from importlib.metadata import entry_points
from typing import Annotated, Any, Union

from windowconv.errors import InputError, WindowWarning, require

GROUP = "windowconv.commands"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 2, with one line on standard error, for unusable input."""
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
        tyro = require("tyro", "cli")
        commands = {entry.name: entry.load() for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)}
        if list(sys.argv[1:] if arguments is None else arguments) == ["--version"]:
            import windowconv

            print(f"windowconv {windowconv.__version__}")
            return 0
        command = _parse(tyro, commands, sys.argv[1:] if arguments is None else arguments)
        with warnings.catch_warnings():
            warnings.showwarning = _one_line(warnings.showwarning)
            return command.run() or 0
    except InputError as error:
        print(f"windowconv: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        reason = str(stop) or "interrupted"
        print(f"windowconv: {reason}; finished work is kept; run the same command to continue", file=sys.stderr)
        return getattr(stop, "code", 130)


def _parse(tyro: Any, commands: Mapping[str, Any], arguments: Sequence[str]) -> Any:
    """The subcommand that the arguments select.

    A command class may have a method `defaults(arguments)`: an instance that its options start from, or None.
    """
    kinds: list[Any] = [Annotated[None, tyro.conf.Suppress]]
    for name, command in commands.items():
        options: dict[str, Any] = {"name": name}
        is_called = bool(arguments) and arguments[0] == name
        if is_called and hasattr(command, "defaults") and (default := command.defaults(arguments[1:])) is not None:
            options["default"] = default
        kinds.append(Annotated[command, tyro.conf.subcommand(**options)])
    union: Any = Union[tuple(kinds)]  # noqa: UP007 - the | of annotated types is for names that are known
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return tyro.cli(union, prog="windowconv", description=_description(), args=arguments, use_underscores=False)
    except SystemExit as left:
        if (refused := _input_error(left)) is not None:
            raise refused from None
        print(said.getvalue(), end="", file=sys.stderr)
        raise


def _input_error(error: BaseException | None) -> InputError | None:
    """The `InputError` in whose wake an exception was raised: tyro puts a frame around what settings refuse."""
    while error is not None and not isinstance(error, InputError):
        error = error.__context__
    return error


def _description() -> str:
    return (
        "Windowed convolutions: large kernels, tapered to reduce spectral leakage. Train networks with and without "
        "windows, compare them across seeds, and measure what their filters leak."
    )


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
