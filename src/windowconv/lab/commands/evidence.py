"""`windowconv evidence`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Write docs/evidence.md and the evidence in the README and docs/reproduce.md from results/studies/.

    Run it in a checkout.
    """

    group: ClassVar = "try"

    check: bool = False
    """Write nothing; end with exit code 1 if a file differs from what the results say."""

    def run(self) -> int:
        """Write both files, or check them."""
        from windowconv.lab.studies.reports.evidence import out_of_step, write_evidence

        if not self.check:
            for path in write_evidence(Path.cwd()):
                print(f"Written: {path}")
            return 0
        wrong = out_of_step(Path.cwd())
        print("\n".join(f"{name} is out of step with results/studies" for name in wrong) or "in step")
        return bool(wrong)
