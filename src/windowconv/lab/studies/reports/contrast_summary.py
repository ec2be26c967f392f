"""All contrasts of a study in a few words, also those that its claim does not mention."""

from __future__ import annotations

from windowconv.lab.studies.design.design import Contrast
from windowconv.lab.studies.reports.analysis import Findings

NOTE = (
    "Grouped by the 95 % interval of each contrast over seeds, which is not adjusted for the number of contrasts; "
    "the tables give adjusted p-values."
)


def plainly(found: Findings) -> str:
    """The contrasts of a study, sorted by what their intervals say; empty if none has an interval.

    Args:
        found: its findings.
    """
    groups: dict[str, list[str]] = {"above 0": [], "below 0": [], "interval includes 0": []}
    told = [finding for finding in (found.primary, *found.secondary) if isinstance(finding.contrast, Contrast)]
    prefix = "test accuracy (%): " if all(str(finding.contrast).startswith("test accuracy") for finding in told) else ""
    for finding in told:
        if finding.effect and finding.effect.interval:
            low, high = finding.effect.interval
            group = "above 0" if low > 0 else "below 0" if high < 0 else "interval includes 0"
            mean = f"({finding.effect.mean:+z.2f})".replace("-", "−")
            groups[group].append(f"{str(finding.contrast).removeprefix(prefix)} {mean}")
    return "; ".join(f"{group}: {', '.join(said)}" for group, said in groups.items() if said)
