"""Contrasts that were looked at after a study was published, where its claim said more than its primary contrast."""

from __future__ import annotations

from dataclasses import dataclass

from windowconv.errors import InputError
from windowconv.lab.studies.design.design import Association, Contrast, minus
from windowconv.lab.studies.design.small_networks import MATRIX
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import measure
from windowconv.lab.studies.reports.verdict_text import effect_text


@dataclass(frozen=True)
class LaterCheck:
    """A contrast that a claim needs to be above 0.

    Args:
        contrast: of the study's variants.
        why: it is looked at, to stand before its effect.
        otherwise: what is then no longer said, where its interval does not lie above 0.
    """

    contrast: Contrast | Association
    why: str
    otherwise: str


LATER: dict[str, tuple[LaterCheck, ...]] = {
    "leakage-and-accuracy": (
        LaterCheck(
            Association("leakage", tuple(arm for arm in MATRIX if arm != "7x7-shuffled")),
            "without 7x7-shuffled, whose kernels leak far more than all others,",
            "it is not said that networks of one arm classify better where their kernels leak less",
        ),
    ),
    "kernel-size": (
        LaterCheck(
            minus("9x9-hamming", "5x5"),
            "9x9-hamming minus 5x5 has",
            "it is not said that larger kernels go on helping beyond 5x5",
        ),
    ),
}
"""By the name of the design."""


def later_checks(study: StudyFolder) -> list[str]:
    """What they found, a sentence each; nothing for a study that has none or lacks their variants."""
    said = []
    for check in LATER.get(study.design.name, ()):
        try:
            found = measure(study, check.contrast)
        except InputError:
            continue  # the study has not all their variants
        if found.effect and found.effect.interval:
            text = f"Looked at later: {check.why} {effect_text(found)} points over {found.effect.n} seeds."
            said.append(text if found.effect.interval[0] > 0 else f"{text} Withdrawn: {check.otherwise}.")
    return said
