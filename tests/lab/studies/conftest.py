"""A study of a fraction of a second on gratings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from windowconv.lab import recipes
from windowconv.lab.config import RunConfig, Training
from windowconv.lab.recipes import Recipe
from windowconv.lab.runs.records import write_json
from windowconv.lab.studies.design.design import Contrast, Design, Variant
from windowconv.lab.studies.design.plan import Plan, run_folder
from windowconv.lab.studies.design.record import design_record
from windowconv.lab.studies.execution.engines import Engine, ThisProcess
from windowconv.lab.studies.execution.options import StudyOptions
from windowconv.lab.studies.execution.runner import run_study
from windowconv.lab.studies.folder import StudyFolder
from windowconv.spectra.curve import RADII

CLEAN = {"commit": "c" * 40, "dirty": False}
TINY = Training(image_size=12, train_images=70, test_images=43, depth=2, width=2, epochs=2, batch_size=16)


@pytest.fixture(autouse=True)
def tiny_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipes tiny-smoke and tiny-small, on gratings."""
    for scale in ("smoke", "small"):
        recipe = Recipe(f"tiny-{scale}", "for tests", "gratings", TINY)
        monkeypatch.setitem(recipes.RECIPES, recipe.name, recipe)


@pytest.fixture
def design() -> Design:
    """3x3, 5x5 and 5x5-hamming on gratings."""
    return Design(
        name="tiny-claim",
        claim="Windowed kernels see gratings better.",
        recipe="tiny",
        variants=(Variant("3x3"), Variant("5x5"), Variant("5x5-hamming")),
        primary=Contrast(("5x5-hamming",), ("3x3",)),
        secondary=(Contrast(("5x5-hamming",), ("5x5",)), Contrast(("5x5-hamming",), ("3x3",), "leakage")),
        seeds=2,
    )


@pytest.fixture
def options() -> StudyOptions:
    """This process, nothing reused."""
    return StudyOptions(ThisProcess(), "gratings")


@pytest.fixture
def carry_out(tmp_path: Path, options: StudyOptions) -> Callable[..., StudyFolder]:
    """`carry_out(design, name="s", seeds=2, scale="small", engine=None, reuse=())`: the study, done."""

    def do(
        design: Design,
        name: str = "s",
        seeds: int = 2,
        scale: str = "small",
        engine: Engine | None = None,
        **changes: Any,
    ) -> StudyFolder:
        return run_study(
            Plan.of(design, scale, seeds), tmp_path / name, replace(options, engine=engine or options.engine, **changes)
        )

    return do


@pytest.fixture
def tiny_settings() -> Training:
    """What the recipe tiny-small says."""
    return TINY


@pytest.fixture
def written(tmp_path: Path, design: Design) -> Callable[..., StudyFolder]:
    """`written({"3x3": [90.1, None, ...], ...}, design=design)`: a study's folder with these accuracies by seed, as an
    export has them; None is a run that is missing."""

    def make(
        figures: dict[str, list[float | None]],
        design: Design = design,
        name: str = "s",
        scale: str = "small",
        leakage: dict[str, list[float]] | None = None,
        data: str = "gratings",
    ) -> StudyFolder:
        folder = tmp_path / name
        seeds = max(map(len, figures.values()))
        known: dict[str, Any] = {"train": 60_000, "test": 10_000, "train_hash": "a" * 64, "test_hash": "b" * 64}
        known |= {"source": data, "classes": ["a", "b"], "channels": 1, "image_size": [12, 12]}
        machine = {
            "windowconv": "0.1.0",
            "torch": "2.15.0",
            "numpy": "2.4",
            "python": "3.11",
            "system": "Linux",
            "device": "a CPU",
            "threads": 2,
        }
        for variant in design.variants:
            for seed, value in enumerate(figures[variant.name]):
                if value is not None:
                    leak = leakage[variant.name][seed] if leakage else 30.0
                    _write_run(folder, variant, seed, value, leak, design, scale, known, machine)
        commit = {"commit": "c" * 40, "committed": "2026-11-25T12:00:00+00:00"}
        registered = {
            "design": design_record(replace(design, seeds=seeds)),
            **commit,
            "code": CLEAN,
            "at": "2026-11-26",
        }
        record = {
            "name": name,
            "registered": registered,
            "design": design_record(design),
            "scale": scale,
            "seeds": seeds,
            "training": asdict(Plan.of(design, scale).shared),
            "data": {"name": data, **known},
            "networks": {v.name: {"parameters": 1000, "macs": 2_000_000} for v in design.variants},
            "algorithms": {v.name: {"0": "direct"} for v in design.variants},
            "tuned": {},
            "searched": {},
            "reused": [],
            "failures": {},
            "environment": machine,
            "status": "finished",
            "time_s": 100.0,
        }
        write_json(folder / "study.json", record)
        return StudyFolder.open(folder)

    return make


def _write_run(
    folder: Path,
    variant: Variant,
    seed: int,
    accuracy: float,
    leakage: float,
    design: Design,
    scale: str,
    known: dict[str, Any],
    machine: dict[str, Any],
) -> None:
    place = folder / run_folder(variant, seed)
    config = RunConfig(**asdict(Plan.of(design, scale).shared), arm=variant.arm, seed=seed)
    record = {
        "name": place.name,
        "status": "finished",
        "reason": None,
        "created": f"2026-11-26T12:00:{seed:02}+00:00",
        "config": asdict(config),
        "config_hash": config.config_hash,
        "data": known,
        "seed": seed,
        "network": {"builder": "small", "parameters": 1000, "macs": 2_000_000},
        "numerics": {
            "version": 1,
            "precision": config.precision,
            "algorithm": {"0": "direct"},
            "memory_format": "channels_last",
            "compiled": False,
            "processes": 1,
            "deterministic": True,
        },
        "environment": machine,
        "git": CLEAN,
        "command": config.command,
        "resumed": [],
    }
    write_json(place / "run.json", record)
    lines: list[dict[str, Any]] = [{"kind": "step", "step": 20, "epoch": 1, "time_s": 1.0, "loss": 1.0, "lr": 0.1}]
    for epoch in (1, 2):
        figures = {"train_loss": 1 / epoch, "train_accuracy": 0.5, "test_loss": 1.0, "test_accuracy": accuracy / 100}
        lines.append({"kind": "epoch", "epoch": epoch, "step": 100 * epoch, "time_s": 9.0 * epoch, **figures})
    lines.append({**lines[-1], "kind": "final"})
    (place / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    values = {"n": 10_000, "accuracy": accuracy / 100, "correct": round(100 * accuracy), "loss": 1.0}
    write_json(place / "evaluations/test.json", {"name": "test", "figures": values})
    curve = [1 - r for r in RADII]
    leak = {"1/8": leakage / 50, "1/4": leakage / 100, "radii": list(RADII), "curve": curve, "layers": {}}
    write_json(place / "evaluations/leakage.json", {"name": "leakage", "figures": leak})
