"""All contrasts of a study in a few words, also those that its claim does not mention."""

from __future__ import annotations

from windowconv.lab.studies.design.design import Contrast
from windowconv.lab.studies.reports.analysis import Analysis

NOTE = (
    "Grouped by the 95 % interval of each contrast over seeds, which is not adjusted for the number of contrasts; "
    "the tables give adjusted p-values."
)
ABOVE, BELOW, AROUND = "above 0", "below 0", "interval includes 0"


def contrast_summary(analysis: Analysis) -> str:
    """The contrasts of a study, grouped by where their intervals lie; empty if none has an interval."""
    groups: dict[str, list[str]] = {ABOVE: [], BELOW: [], AROUND: []}
    shown = [each for each in analysis.contrasts if isinstance(each.contrast, Contrast)]
    accuracy = "test accuracy (%): "
    prefix = accuracy if all(str(each.contrast).startswith(accuracy) for each in shown) else ""
    for each in shown:
        if each.effect and each.effect.interval:
            low, high = each.effect.interval
            group = ABOVE if low > 0 else BELOW if high < 0 else AROUND
            mean = f"({each.effect.mean:+z.2f})".replace("-", "−")
            groups[group].append(f"{str(each.contrast).removeprefix(prefix)} {mean}")
    return "; ".join(f"{group}: {', '.join(members)}" for group, members in groups.items() if members)
