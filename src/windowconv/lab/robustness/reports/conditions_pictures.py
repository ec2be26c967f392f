"""Pictures of a comparison under conditions: errors against strength, and an image under every condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from windowconv import plots
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.protocol import Colours
from windowconv.lab.robustness.conditions.bands import BANDS
from windowconv.lab.robustness.conditions.catalogue import Condition, as_bytes, as_floats, fraction
from windowconv.lab.robustness.conditions.corruptions import CORRUPTIONS
from windowconv.lab.robustness.reports.conditions_comparison import ConditionsComparison
from windowconv.lab.robustness.sample import draw
from windowconv.lab.runs.folder import Run
from windowconv.plots.robustness import ErrorPanel
from windowconv.report import Figure

Row = list[tuple[str, Any]]  # labels and images


def curves(found: ConditionsComparison, colours: Colours = None) -> list[Figure]:
    """Curves of errors against severity, noise and cutoff, as far as measured, each with the error on clean images."""
    captions = {
        "corruption": ("severity (0: clean)", "Mean error over the corruptions of each band, against severity."),
        "band noise": ("standard deviation (0: clean)", "Error under noise with the same energy in each band."),
    }
    figures = []
    for family, (xlabel, caption) in captions.items():
        title = "noise" if family == "band noise" else "corruptions"
        members = {band: _held(found, family, band) for band in BANDS}
        panels = [_from_clean(found, f"{band}-frequency {title}", held) for band, held in members.items() if held]
        figures.append((panels, xlabel, caption))
    filters = [held for family in ("low pass", "high pass") if (held := _held(found, family))]
    caption = (
        "Error on images that keep only the frequencies below the cutoff (low pass), or only those above it and the "
        "mean (high pass)."
    )
    figures.append(([_by_cutoff(found, held) for held in filters], "cutoff (cycles/pixel)", caption))
    return [
        Figure(plots.svg(plots.error_curves(panels, xlabel, colours=colours)), caption, f"{caption[:-1]}, for each arm")
        for panels, xlabel, caption in figures
        if panels
    ]


def sheets(found: ConditionsComparison, runs: Sequence[Run], images: Images) -> list[Figure]:
    """The first image under every condition, as networks see it.

    Raises:
        InputError: images that are not the runs' test set.
    """
    Network(runs[0]).check_images(images)
    picture = as_floats(as_bytes(draw(images, found.record["n"]).images[:1]))
    clean: Row = [("clean", picture[0])]
    corrupted: dict[str, Row] = {}
    others: dict[str, Row] = {}
    for condition in found.conditions:
        shown: Tensor = condition.apply(picture, 0, found.record["seed"])[0]
        if condition.family == "corruption":
            row = corrupted.setdefault(CORRUPTIONS[condition.series].title, list(clean))
            row.append((f"{condition.parameter:g}", shown))
        else:
            label = f"{condition.parameter:g}" if condition.family == "band noise" else fraction(condition.parameter)
            others.setdefault(condition.series, []).append((label, shown))
    captions = (
        (corrupted, "One test image under every corruption, by severity."),
        (others, "The same image with noise (by standard deviation), and filtered (by cutoff, in cycles/pixel)."),
    )
    return [
        Figure(plots.svg(plots.picture_sheet(rows)), caption, f"{caption[:-1]}: {', '.join(rows)}")
        for rows, caption in captions
        if rows
    ]


def _held(found: ConditionsComparison, family: str, band: str | None = None) -> list[Condition]:
    return [c for c in found.conditions if c.family == family and (band is None or c.band == band)]


def _clean(found: ConditionsComparison) -> dict[str, np.ndarray]:
    return {arm: np.array(errors)[:, None] for arm, errors in found.clean().items()}


def _from_clean(found: ConditionsComparison, title: str, held: Sequence[Condition]) -> ErrorPanel:
    """Errors against the parameter, beginning with the clean images at 0."""
    clean = _clean(found)
    x, errors = found.curve(held)
    return ErrorPanel(title, [0.0, *x], {arm: np.hstack([clean[arm], errors[arm]]) for arm in errors})


def _by_cutoff(found: ConditionsComparison, held: Sequence[Condition]) -> ErrorPanel:
    """Errors by a filter's cutoff, evenly spaced, with clean images at the end where the filter passes everything."""
    clean = _clean(found)
    x, errors = found.curve(held)
    ticks = [fraction(cutoff) for cutoff in x]
    last = held[0].family == "low pass"
    ticks = [*ticks, "clean"] if last else ["clean", *ticks]
    pairs = {arm: (errors[arm], clean[arm]) if last else (clean[arm], errors[arm]) for arm in errors}
    return ErrorPanel(
        held[0].family, list(range(len(ticks))), {arm: np.hstack(pair) for arm, pair in pairs.items()}, ticks
    )
