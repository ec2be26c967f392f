"""What was measured of a study's runs beside their accuracy: sections of the page, and what the numbers mean."""

from __future__ import annotations

from collections.abc import Iterator

from windowconv.lab.evaluations.protocol import Colours, Evaluation, Runs
from windowconv.lab.evaluations.registry import evaluations
from windowconv.lab.studies.folder import StudyFolder
from windowconv.report import Section


def evaluation_sections(study: StudyFolder, colours: Colours) -> list[Section]:
    """The sections of the study's evaluations, as far as they were measured.

    Args:
        study: with finished runs.
        colours: of the variants by name.
    """
    return [section for each, runs in _measured(study) for section in each.sections(runs, colours)]


def evaluation_notes(study: StudyFolder) -> str:
    """What the metrics in a study's tables mean, in sentences; empty if there are none."""
    notes = []
    for evaluation, runs in _measured(study):
        values = evaluation.values(next(iter(runs.values()))[0])
        assert values is not None
        notes.append(evaluation.note(values))
    return " ".join(filter(None, notes))


def _measured(study: StudyFolder) -> Iterator[tuple[Evaluation, Runs]]:
    """Each evaluation with the runs that have it, by variant; those that no run has, or that are gone, are left out."""
    for evaluation in [evaluations()[name] for name in study.design.measures if name in evaluations()]:
        held = {
            variant.name: [run for run in study.runs(variant).values() if evaluation.path(run).is_file()]
            for variant in study.design.variants
        }
        if runs := {variant: found for variant, found in held.items() if found}:
            yield evaluation, runs
