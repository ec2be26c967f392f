"""The work of `windowconv inspect`: open, measure, write, and say it in a few lines."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from windowconv.errors import InputError
from windowconv.files import replace_file
from windowconv.inspection.measure import Inspection, inspect_subject
from windowconv.inspection.page import make_page
from windowconv.inspection.subject import Subject, open_subject
from windowconv.inspection.summary_text import calls, summary
from windowconv.report import write

if TYPE_CHECKING:
    from windowconv.cli.library import Inspect

IMAGES = "windowconv.images"  # entry points: functions (text, channels, size, count) -> images in [0, 1], or None
SCHEMA_VERSION = 1


def inspect(command: Inspect) -> None:
    """Measure the network, and the other if there is one; write the page and the JSON; print the summary."""
    for name in ("count", "size"):
        if (value := getattr(command, name)) is not None and value < 1:
            raise InputError(f"{name}={value}; allowed: 1 or more")
    if command.against_weights is not None and command.against is None:
        raise InputError(f"against-weights={command.against_weights!r} needs a second network: pass --against MODEL")
    if len(command.mean) != len(command.std):
        raise InputError(f"mean={command.mean} and std={command.std}; allowed: one number a channel in both")
    if command.heat_map and command.images is None:
        raise InputError("--heat-map needs images: pass --images DIR")
    subject = _ready(open_subject(command.model, command.weights), command)
    other = None
    if command.against is not None:
        other = _ready(open_subject(command.against, command.against_weights), command)
    inspections = [_measure(each, command) for each in (subject, other) if each is not None]
    out = command.out or Path("inspect") / re.sub(r"[^\w.-]+", "-", subject.name)
    write(make_page(*inspections), out / "report.html")
    record = {"schema_version": SCHEMA_VERSION, **_record(inspections)}
    replace_file(out / "inspection.json", (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    _print(inspections, out)


def _ready(subject: Subject, command: Inspect) -> Subject:
    """On the device, with the normalisation that was asked for."""
    try:
        subject.model.to(torch.device(command.device))
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device={command.device!r} cannot be used: {str(error).splitlines()[0]}") from None
    if not command.mean:
        return subject
    if len(command.mean) not in (1, subject.channels) or min(command.std) <= 0:
        raise InputError(
            f"mean={command.mean}, std={command.std}; allowed: 1 or {subject.channels} numbers, std above 0"
        )
    return replace(subject, mean=command.mean, std=command.std)


def _measure(subject: Subject, command: Inspect) -> Inspection:
    images = None if command.images is None else _images(subject, command)
    with _Status() as status:
        return inspect_subject(
            subject,
            images,
            heat_map=command.heat_map,
            receptive_field=command.receptive_field,
            say=lambda text: status(f"{subject.name}: {text}"),
        )


def _images(subject: Subject, command: Inspect) -> Tensor:
    """The images in the size and channels that the network takes."""
    assert command.images is not None
    channels, size = subject.channels or 3, command.size or subject.size
    for entry in sorted(entry_points(group=IMAGES), key=lambda e: e.name):
        try:
            found = entry.load()(command.images, channels, size, command.count)
        except InputError as error:  # the laboratory's commands have other options than this one
            raise InputError(str(error).replace("--image-size", "--size").replace("--data-root or ", "")) from None
        if found is not None:
            return found
    raise InputError(f"images={command.images!r} is neither a folder nor a data set's name")


def _record(inspections: list[Inspection]) -> dict[str, Any]:
    first, *rest = inspections
    found = {**first.as_dict(), "summary": summary(first), "try": calls(first)}
    if rest:
        found["against"] = {**rest[0].as_dict(), "summary": summary(rest[0])}
    return _finite(found)


def _finite(value: Any) -> Any:
    """Numbers that JSON has; NaN is null."""
    if isinstance(value, dict):
        return {name: _finite(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(held) for held in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(inspections: list[Inspection], out: Path) -> None:
    for inspection in inspections:
        print(f"{inspection.subject.name}\n")
        print(inspection.leakage, end="\n\n")
        print("\n".join(summary(inspection)), end="\n\n")
        if found := calls(inspection):
            print("To try:\n  " + "\n  ".join(found), end="\n\n")
    print(f"Written: {(out / 'report.html').resolve()} and inspection.json beside it")


class _Status:
    """One line that says what is being done, on a terminal; nothing elsewhere."""

    def __enter__(self) -> _Status:
        self.shown = 0
        return self

    def __call__(self, text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r{text:<{self.shown}}", end="", file=sys.stderr, flush=True)
            self.shown = len(text)

    def __exit__(self, *_: object) -> None:
        if self.shown:
            print(f"\r{'':<{self.shown}}\r", end="", file=sys.stderr, flush=True)
