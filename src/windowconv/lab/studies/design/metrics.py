"""What a study compares: figures of a run, each with its unit and which way is better, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One number of a run.

    Args:
        title: in tables.
        unit: of differences.
        measure: whose evaluation holds it: the file `evaluations/MEASURE.json`.
        key: its name there.
        scale: from there to the unit.
        more_is_better: whether a claim says that it is larger.
    """

    title: str
    unit: str
    measure: str
    key: str
    scale: float = 100.0
    more_is_better: bool = True


POINTS = "percentage points"

FIGURES: dict[str, Figure] = {
    "accuracy": Figure("test accuracy (%)", POINTS, "test", "accuracy"),
    "leakage": Figure("leakage L(1/4) (%)", POINTS, "leakage", "1/4", more_is_better=False),
    "leakage-near": Figure("leakage L(1/8) (%)", POINTS, "leakage", "1/8", more_is_better=False),
    "shift-consistency": Figure("shift consistency (%)", POINTS, "shift", "share"),
    "robust-accuracy": Figure("accuracy under the attacks (%)", POINTS, "attacks", "accuracy"),
}
"""By the name that contrasts use. L(r) is the share of a single kernel's spectral energy farther than r cycles/pixel
from its peaks, the mean over kernels and then over layers."""

MEASURES = ("leakage", "shift", "attacks")
"""What can be measured of a run after its training; the accuracy always is."""


def figures_of(measures: tuple[str, ...]) -> list[str]:
    """The figures that a study with these measures has, the accuracy first."""
    return [name for name, figure in FIGURES.items() if figure.measure in ("test", *measures)]
