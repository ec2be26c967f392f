"""The colours of an inspection's page: those that arms have on all other pages."""

from __future__ import annotations

from collections.abc import Sequence

from windowconv import plots
from windowconv.inspection.measure import Inspection
from windowconv.inspection.summary_text import by_size
from windowconv.plots.colours import COLOURS


def page_colours(both: Sequence[Inspection]) -> dict[str, str]:
    """A colour for each network and, as far as there are colours, for each group of layers of one size and window.

    A network has the colour of its arm, if it is one; a second network of one arm has another.
    """
    arms: dict[str, str] = {}
    for each in both:
        name, arm = each.subject.name, each.subject.facts.get("arm", each.subject.name)
        arms[name] = name if arm in arms.values() else arm
    sizes = {size: size.replace(" ", "-") for each in both for size in by_size(each.leakage.layers)}
    named = sizes | arms
    if len(set(named.values())) > len(COLOURS):
        named = arms
    colours = plots.arm_colours(named.values())
    return {name: colours[arm] for name, arm in named.items()}
