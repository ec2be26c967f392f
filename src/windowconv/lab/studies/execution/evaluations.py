"""Evaluations that a study's finished runs lack."""

from __future__ import annotations

from contextlib import suppress

from windowconv.errors import InputError
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.registry import find_evaluation
from windowconv.lab.studies.folder import StudyFolder
from windowconv.phases import phase


def record_leakage(study: StudyFolder) -> None:
    """Measure the leakage of finished runs that have weights but no record of it, as earlier versions of `compare` left
    them; that takes no images. Networks whose filters are all dead have none."""
    leakage = find_evaluation("leakage")
    for run in (run for variant in study.design.variants for run in study.runs(variant).values()):
        if not leakage.path(run).is_file() and (run.folder / "model.safetensors").is_file():
            with suppress(InputError), phase(f"measuring the leakage of {run.folder.name}"):
                leakage.run([Network(run)], None)
