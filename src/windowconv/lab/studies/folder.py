"""A study's folder: study.json beside the run folders, from which everything else is made."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.lab.config import Training
from windowconv.lab.evaluations.registry import metric_value
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import read_json, write_json
from windowconv.lab.studies.design.design import Association, Contrast, Design, Variant
from windowconv.lab.studies.design.plan import run_folder

STUDY = "study.json"
LOCK = ".lock"


@dataclass(frozen=True)
class StudyFolder:
    """A study that has begun.

    Attributes:
        folder: where it is.
        design: what is studied.
        record: study.json.
    """

    folder: Path
    design: Design
    record: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> StudyFolder:
        """The study in `folder`; an `InputError` if there is none, or one of `windowconv compare`."""
        if not (folder / STUDY).is_file():
            raise InputError(f"study={str(folder)!r} is no study folder (it has no {STUDY})")
        record = read_json(folder / STUDY)
        if "design" not in record and "arms" not in record:
            raise InputError(f"{folder / STUDY} is damaged ('design' is missing); it is no study's record")
        if "design" not in record:
            raise InputError(f"study={str(folder)!r} is one of windowconv compare: it has arms, but no claim")
        try:
            return cls(folder, design_from_record(record["design"]), record)
        except (InputError, KeyError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{folder / STUDY} is damaged or of another version ({reason})") from error

    @property
    def seeds(self) -> int:
        """Runs of each variant that the study was asked for."""
        return self.record["seeds"]

    @property
    def scale(self) -> str:
        """smoke, small or paper."""
        return self.record["scale"]

    def runs(self, variant: Variant) -> dict[int, Run]:
        """A variant's finished runs by seed."""
        found = {}
        for seed in range(self.seeds):
            folder = self.folder / run_folder(variant, seed)
            if (folder / "run.json").is_file():
                run = Run.open(folder)
                if run.record["status"] == "finished":
                    found[seed] = run
        return found

    def values(self, variant: Variant, figure: str) -> dict[int, float]:
        """A figure of a variant's finished runs by seed, in its unit; runs that have it not are left out."""
        found = {seed: metric_value(run, figure) for seed, run in self.runs(variant).items()}
        return {seed: value for seed, value in found.items() if value is not None}

    def environment(self, name: str) -> str:
        """What its finished runs were trained with, such as their "device" or "torch"; each one where they differ."""
        runs = [run for variant in self.design.variants for run in self.runs(variant).values()]
        return ", ".join(dict.fromkeys(str(run.record["environment"][name]) for run in runs))

    @property
    def finished(self) -> int:
        """How many of its own runs are."""
        return sum(len(self.runs(variant)) for variant in self.design.variants)

    @property
    def wanted(self) -> int:
        """How many runs of its own it has when it is done."""
        return self.seeds * len(self.design.variants)


def write_study(folder: Path, record: Mapping[str, Any]) -> None:
    """Write study.json whole."""
    write_json(folder / STUDY, dict(record))


def design_record(design: Design) -> dict[str, Any]:
    """A design as study.json has it."""
    kind = "association" if isinstance(design.primary, Association) else "contrast"
    return {**asdict(design), "primary": {"kind": kind, **asdict(design.primary)}}


def design_from_record(record: Mapping[str, Any]) -> Design:
    """The design that `design_record` wrote."""
    given = _tuples(dict(record))
    primary = dict(given["primary"])
    kind: Any = {"association": Association, "contrast": Contrast}[primary.pop("kind")]
    given["primary"] = kind(**primary)
    given["secondary"] = tuple(Contrast(**contrast) for contrast in given["secondary"])
    given["variants"] = tuple(Variant(**variant) for variant in given["variants"])
    return Design(**given)


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples."""
    if isinstance(value, dict):
        return {key: _tuples(v) for key, v in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def refuse_another(folder: Path, record: Mapping[str, Any]) -> None:
    """An `InputError` if a folder holds another study; more seeds or variants of the same one are welcome."""
    if not (folder / STUDY).is_file():
        return
    old = StudyFolder.open(folder)
    new = design_from_record(record["design"])
    same = {
        "another study": (old.design.name, new.name),
        "the study at another scale": (old.scale, record["scale"]),
        "the study with another primary contrast": (old.design.primary, new.primary),
        "the study on other images": (old.record["data"], dict(record["data"])),
        "the study with other settings": (_settings(old.record), _settings(record)),
    }
    for what, (mine, theirs) in same.items():
        if mine != theirs:
            raise InputError(f"out={str(folder)!r} holds {what}; choose another --out, or remove that folder")


def _settings(record: Mapping[str, Any]) -> Training:
    return Training.from_record(record["training"])


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Nobody else works in the study's folder while the block runs; an `InputError` if somebody does.

    The lock goes with the process, however it ends. Where the system or its file system has none, there is none.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(f"out={str(folder)!r} cannot be written ({error.strerror}); choose another folder") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"out={str(folder)!r}: another process works on this study; wait for it") from None
        except OSError:
            pass
        yield
    finally:
        os.close(handle)
