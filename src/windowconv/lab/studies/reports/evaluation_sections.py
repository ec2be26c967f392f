"""What was measured of a study's runs beside their accuracy: its sections of the page, and what its numbers mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from windowconv import plots
from windowconv.lab.robustness.attacks.norms import LINF
from windowconv.lab.runs.folder import Run
from windowconv.lab.studies.folder import StudyFolder
from windowconv.report import Figure, Section

Colours = dict[str, str]


def measured_sections(study: StudyFolder, colours: Colours) -> list[Section]:
    """Curves of leakage and of accuracy under attack, as far as they were measured.

    Args:
        study: with finished runs.
        colours: of the variants by name.
    """
    return [*_leakage_section(study, colours), *_attacks_section(study, colours)]


def measured_notes(study: StudyFolder) -> str:
    """What the measured numbers of a study's tables mean, in sentences; empty if there are none."""
    notes = []
    if _first(study, "leakage"):
        notes.append(
            "L(r) is the share of a single kernel's spectral energy farther than r cycles/pixel from its peaks."
        )
    if shift := _first(study, "shift"):
        notes.append(
            f"Shift consistency is the share of pairs of shifts, by up to {shift['max_shift']} pixels, that are given "
            f"one class ({shift['pairs']:,} pairs of {shift['images']:,} test images)."
        )
    if attacks := _first(study, "attacks"):
        notes.append(
            f"Accuracy under the attacks is of {attacks['images']:,} test images, each changed by up to "
            f"{LINF.text(attacks['budget'])} a value by whichever of {' and '.join(attacks['attacks'])} is worse."
        )
    return " ".join(notes)


def _leakage_section(study: StudyFolder, colours: Colours) -> list[Section]:
    held = _held(study, "leakage")
    if not held:
        return []
    curves = {name: np.array([each["curve"] for each in found]) for name, found in held.items()}
    drawn = plots.leakage_curves(curves, next(iter(held.values()))[0]["radii"], colours=colours)
    caption = (
        "Share of a single kernel's spectral energy farther than r from its peaks, the mean over kernels, then over "
        "layers; bands span the seeds. A window widens the band around the peak, so it leaks more at small r and "
        "less at large r."
    )
    return [Section("Spectral leakage", [Figure(plots.svg(drawn), caption, "Leakage against radius for each variant")])]


def _attacks_section(study: StudyFolder, colours: Colours) -> list[Section]:
    held = _held(study, "attacks")
    if not held:
        return []
    first = next(iter(held.values()))[0]
    ticks = [LINF.text(budget).removesuffix("/255") for budget in first["budgets"]]
    curves = {name: np.array([each["curve"] for each in found]) for name, found in held.items()}
    clean = {name: np.array([each["clean"] for each in found]) for name, found in held.items()}
    label = f"budget ({LINF.symbol}, in 255ths)"
    drawn = plots.robust_accuracy(curves, first["budgets"], ticks, label, clean, colours)
    caption = (
        f"Accuracy on {first['images']:,} test images under the worse of {' and '.join(first['attacks'])}, image by "
        "image, against the budget; diamonds are without an attack. The contrasts above are at "
        f"{LINF.text(first['budget'])}. More attacks, and whether they can be believed: windowconv attack."
    )
    return [Section("Accuracy under attack", [Figure(plots.svg(drawn), caption, "Accuracy against budget by variant")])]


def _held(study: StudyFolder, name: str) -> dict[str, list[dict[str, Any]]]:
    """The figures of each variant that has some, by seed."""
    found = {
        variant.name: [run.evaluation(name)["figures"] for run in study.runs(variant).values() if _has(run, name)]
        for variant in study.design.variants
    }
    return {variant: figures for variant, figures in found.items() if figures}


def _first(study: StudyFolder, name: str) -> dict[str, Any] | None:
    return next((figures[0] for figures in _held(study, name).values()), None)


def _has(run: Run, name: str) -> bool:
    return (run.folder / "evaluations" / f"{name}.json").is_file()
