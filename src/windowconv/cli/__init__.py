"""The `windowconv` command; other packages register subcommands as entry points of the group `windowconv.commands`.

A subcommand is a dataclass whose fields are its options and whose method `run()` does the work. It is imported to
print the help, so its module imports nothing heavy at the top.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any

from windowconv.errors import InputError, WindowWarning, require

GROUP = "windowconv.commands"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 2 for input that cannot be used, said in one line."""
    try:
        tyro = require("tyro", "cli")
        commands = {entry.name: entry.load() for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)}
        if list(sys.argv[1:] if arguments is None else arguments) == ["--version"]:
            import windowconv

            print(f"windowconv {windowconv.__version__}")
            return 0
        command = tyro.extras.subcommand_cli_from_dict(
            commands, prog="windowconv", description=_description(), args=arguments, use_underscores=False
        )
        with warnings.catch_warnings():
            warnings.showwarning = _one_line(warnings.showwarning)
            return command.run() or 0
    except InputError as error:
        print(f"windowconv: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "windowconv: interrupted; finished runs are kept, the same command goes on with the others", file=sys.stderr
        )
        return 130


def _description() -> str:
    return (
        "Windowed convolutions: large kernels, windowed against spectral leakage. Train networks with and without "
        "windows, compare them over seeds, and look at what their filters leak."
    )


def _one_line(default: Any) -> Any:
    """The library's own warnings, each once, without the source line that Python prints below them."""
    shown: set[str] = set()

    def show(message: Any, category: type[Warning], *rest: Any, **options: Any) -> None:
        if issubclass(category, WindowWarning):
            if str(message) not in shown:
                print(f"windowconv: warning: {message}", file=sys.stderr)
            shown.add(str(message))
        else:
            default(message, category, *rest, **options)

    return show
