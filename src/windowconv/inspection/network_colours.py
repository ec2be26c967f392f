"""The colour of each inspected network: that of its arm, if it has one, as on all other pages."""

from __future__ import annotations

from collections.abc import Sequence

from windowconv import plots
from windowconv.inspection.measure import Inspection


def network_colours(both: Sequence[Inspection]) -> dict[str, str]:
    """A colour for each network, by its name; a second network of one arm has another."""
    arms: dict[str, str] = {}
    for each in both:
        name, arm = each.subject.name, each.subject.facts.get("arm", each.subject.name)
        arms[name] = name if arm in arms.values() else arm
    colours = plots.arm_colours(arms.values())
    return {name: colours[arm] for name, arm in arms.items()}
