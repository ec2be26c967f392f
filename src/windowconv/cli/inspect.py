"""`windowconv inspect`: open networks, measure them, write the page and JSON, print a summary."""

from __future__ import annotations

import ast
import json
import math
import re
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from torch import Tensor

from windowconv.convolving import convolving_layers
from windowconv.devices import find_device
from windowconv.errors import InputError
from windowconv.files import replace_file
from windowconv.inspection.inputs import InputOptions
from windowconv.inspection.measure import Inspection, inspect_subject
from windowconv.inspection.page import make_page
from windowconv.inspection.subject import Subject, open_subject
from windowconv.inspection.summary_text import summary
from windowconv.phases import phase, tell
from windowconv.report import write
from windowconv.spectra.frequency_axis import FrequencyAxis
from windowconv.tables import by_sign

IMAGES = "windowconv.images"  # entry points: functions (text, channels, size, count) -> images in [0, 1], or None
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ImageSource:
    """Images to run the networks on.

    Attributes:
        text: a folder, or a data set's name.
        count: how many images to use.
        size: pixels per side; None for the network's own size.
    """

    text: str
    count: int
    size: int | None


def inspect(
    model: str,
    *,
    against: str | None = None,
    weights: str | None = None,
    against_weights: str | None = None,
    model_args: tuple[str, ...] = (),
    against_args: tuple[str, ...] = (),
    out: Path | None = None,
    images: str | None = None,
    count: int = 32,
    size: int | None = None,
    input_shape: tuple[str, ...] = (),
    inputs: Path | None = None,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    rate: float | None = None,
    heat_map: bool = False,
    receptive_field: bool = False,
    device: str = "cpu",
) -> None:
    """Measure one network, or two; write report.html and inspection.json; print a summary.

    The arguments are the options of `windowconv inspect`.

    Raises:
        InputError: an argument outside its range, or without the one that it needs; what `open_subject` and
            `inspect_subject` raise.
    """
    for name, value in (("count", count), ("size", size)):
        if value is not None and value < 1:
            raise InputError(f"{name}={value}; allowed: 1 or more")
    if against_weights is not None and against is None:
        raise InputError(f"against-weights={against_weights!r}; allowed: only together with --against MODEL")
    if against_args and against is None:
        raise InputError(f"against-args={' '.join(against_args)!r}; allowed: only together with --against MODEL")
    if len(mean) != len(std):
        raise InputError(f"mean={mean}, std={std}; allowed: one number per channel in both")
    if heat_map and images is None:
        raise InputError("heat-map=True; allowed: only together with --images DIR")
    source = None if images is None else ImageSource(images, count, size)
    subjects = [_open(model, weights, model_args)]
    if against is not None:
        subjects.append(_open(against, against_weights, against_args))
    given = InputOptions(input_shape, inputs).tensors(1) if input_shape or inputs else ()
    subjects = [_prepared(_taking(subject, given), device, mean, std) for subject in subjects]
    subjects = [_with_rate(subject, rate) for subject in subjects]
    for option, asked in (("images", images), ("receptive-field", receptive_field)):
        if asked:
            _check_two_axes(subjects, f"{option}={asked}")
    inspections = [_measure(subject, source, heat_map, receptive_field) for subject in subjects]
    out = out or Path("inspect") / re.sub(r"[^\w.-]+", "-", subjects[0].name)
    with phase("drawing the report"):
        write(make_page(*inspections), out / "report.html")
    record = {"schema_version": SCHEMA_VERSION, **_record(inspections)}
    replace_file(out / "inspection.json", (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    _print(inspections, out)


def _open(model: str, weights: str | None, arguments: tuple[str, ...]) -> Subject:
    with phase(f"opening {model}"):
        return open_subject(model, weights, constructor_arguments(arguments))


def constructor_arguments(texts: tuple[str, ...]) -> dict[str, Any]:
    """Arguments of a constructor from NAME=VALUE; values are numbers, True, False, None, tuples, or else text."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise InputError(f"model-args={text!r}; allowed: NAME=VALUE, such as num_classes=10")
        try:
            found[name.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            found[name.strip()] = value.strip()
    return found


def _taking(subject: Subject, inputs: tuple[Tensor, ...]) -> Subject:
    """The subject, with the images that the first of its inputs stands for and with the others."""
    if not inputs:
        return subject
    channels, *sides = inputs[0].shape[1:] or (0,)
    if not sides or len(set(sides)) > 1:
        raise InputError(f"input-shape={by_sign(inputs[0].shape[1:])}; allowed: channels and equal sides, as 3x224x224")
    return replace(subject, channels=channels, size=sides[0], others=inputs[1:])


def _prepared(subject: Subject, device: str, mean: tuple[float, ...], std: tuple[float, ...]) -> Subject:
    """The subject on the device, with the normalisation that was asked for."""
    subject.model.to(find_device(device))
    if not mean:
        return subject
    if len(mean) not in (1, subject.channels) or min(std) <= 0:
        raise InputError(f"mean={mean}, std={std}; allowed: 1 or {subject.channels} numbers, std above 0")
    return replace(subject, mean=mean, std=std)


def _with_rate(subject: Subject, rate: float | None) -> Subject:
    """The subject with the sampling rate of its input; an `InputError` if its first layer does not take sound."""
    if rate is None:
        return subject
    FrequencyAxis(_axes(subject)[0], rate)
    return replace(subject, rate=rate)


def _check_two_axes(subjects: list[Subject], option: str) -> None:
    """An `InputError` if a network has no convolutions over images, for which the option is."""
    for subject in subjects:
        if 2 not in (axes := _axes(subject)):
            has = f"{subject.name} has those of {' and '.join(map(str, sorted(set(axes))))}"
            raise InputError(f"{option}; allowed: only for networks with convolutions of 2 axes; {has}")


def _axes(subject: Subject) -> list[int]:
    """The number of axes of each layer that convolves, where it is known; as of images where none is."""
    sizes = (getattr(layer, "kernel_size", None) for layer in convolving_layers(subject.model)[0].values())
    return [len(size) for size in sizes if isinstance(size, tuple)] or [2]


def _measure(subject: Subject, source: ImageSource | None, heat_map: bool, receptive_field: bool) -> Inspection:
    images = None if source is None else _read_images(subject, source)
    return inspect_subject(
        subject,
        images,
        heat_map=heat_map,
        receptive_field=receptive_field,
        progress=lambda text: tell(f"{subject.name}: {text}"),
    )


def _read_images(subject: Subject, source: ImageSource) -> Tensor:
    """Images in the size and channels that the network takes: (N, C, H, W) in [0, 1]."""
    with phase(f"reading {source.text}"):
        return _read(source, subject.channels or 3, source.size or subject.size)


def _read(source: ImageSource, channels: int, size: int | None) -> Tensor:
    for entry in sorted(entry_points(group=IMAGES), key=lambda e: e.name):
        try:
            images = entry.load()(source.text, channels, size, source.count)
        except InputError as error:  # the laboratory's commands name their options differently
            raise InputError(str(error).replace("--image-size", "--size").replace("--data-root or ", "")) from None
        if images is not None:
            return images
    raise InputError(f"images={source.text!r}; allowed: a folder of images or the name of a data set")


def _record(inspections: list[Inspection]) -> dict[str, Any]:
    first, *rest = inspections
    found = {**first.as_dict(), "summary": summary(first), "try": [] if first.advice is None else [first.advice.call]}
    if rest:
        found["against"] = {**rest[0].as_dict(), "summary": summary(rest[0])}
    return _finite(found)


def _finite(value: Any) -> Any:
    """The value with None for numbers that JSON lacks: NaN and infinities."""
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
        if (advice := inspection.advice) is not None:
            print(f"Suggested:\n  {advice.call}\n{advice.note}", end="\n\n")
    print(f"Written: {(out / 'report.html').resolve()}, and inspection.json in the same folder")
