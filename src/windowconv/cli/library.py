"""The library's own subcommands: their options, free of torch; the work is imported when they run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Info:
    """Versions, the native operator, and what the choice of algorithm goes by on this machine."""

    calibrate: bool = False
    """Measure the machine anew, in a second or two, and keep the result."""

    def run(self) -> None:
        """Print."""
        from windowconv.cli.info import report

        print(report(calibrate=self.calibrate))
