"""What the laboratory gives to `windowconv inspect`: run folders as networks, and images by name or folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from windowconv.errors import InputError
from windowconv.inspection.subject import Subject


def run_folder(text: str) -> Subject | None:
    """The network of a run folder; None if `text` is none."""
    folder = Path(text)
    if not (folder / "run.json").is_file():
        return None
    from windowconv.lab.runs.folder import Run  # which needs more than `inspect` does for other networks

    run = Run.open(folder)
    known = run.record["data"]
    facts = {"run": run.folder.name, "arm": run.config.arm, "data": str(known["source"])}
    with suppress(InputError):  # a run that was cut: its weights may be there all the same
        facts["test accuracy"] = f"{run.final()['test_accuracy']:.2%}"
    return Subject(
        run.folder.resolve().name,
        run.model(),
        known["channels"],
        known["image_size"][0],
        weights="the run's last",
        trained=True,
        data=run.config.data,
        facts=facts,
    )
