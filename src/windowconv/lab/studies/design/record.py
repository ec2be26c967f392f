"""Designs as study.json has them, and in what two of them differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypedDict, get_type_hints

from windowconv.errors import InputError
from windowconv.lab.config import Training
from windowconv.lab.schema import check_types
from windowconv.lab.studies.design.design import Association, Contrast, Design, Variant
from windowconv.lab.studies.design.schemas import DesignRecord
from windowconv.lab.studies.design.tuning import Tuning

SETTINGS = TypedDict("SETTINGS", get_type_hints(Training), total=False)  # pyright: ignore[reportArgumentType]
"""Some of a training's settings."""

FREE = ("name", "measures", "limits", "least", "recipe", "data")
"""What a design may change without touching what it tests; settings of runs and images are compared elsewhere."""
WORDS = {
    "changes": "settings",
    "co_primary": "primary contrasts",
    "equivalent": "claims of no difference",
    "primary": "primary contrast",
    "secondary": "secondary contrasts",
    "smallest": "smallest effect of interest",
    "any_version": "versions",
}


def design_record(design: Design) -> dict[str, Any]:
    """A design as study.json has it."""
    record = asdict(design)
    if design.primary is not None:
        kind = "association" if isinstance(design.primary, Association) else "contrast"
        record["primary"] = {"kind": kind, **record["primary"]}
    return record


def design_from_record(record: Mapping[str, Any]) -> Design:
    """The design that `design_record` wrote.

    Raises:
        InputError: a key that is missing or unknown, a value of another type, what a design cannot be.
    """
    check_types(dict(record), DesignRecord)
    for changes in (record["changes"], *(variant.get("changes", ()) for variant in record["variants"])):
        check_types(dict(changes), SETTINGS)
    try:
        return _design(_tuples(dict(record)))
    except TypeError as error:  # keys that are unknown, or missing in a contrast
        raise InputError(" ".join(str(error).split())) from error


def _design(given: dict[str, Any]) -> Design:
    if given["primary"] is not None:
        primary = dict(given["primary"])
        kind: Any = {"association": Association, "contrast": Contrast}[primary.pop("kind")]
        given["primary"] = kind(**_renamed(primary))
    given["secondary"] = tuple(map(_contrast, given["secondary"]))
    for name in ("co_primary", "equivalent"):  # which earlier records lack
        given[name] = tuple(map(_contrast, given.get(name, ())))
    given["variants"] = tuple(Variant(**variant) for variant in given["variants"])
    given["tuning"] = Tuning(**given["tuning"]) if given.get("tuning") else None
    return Design(**given)


def _contrast(record: Mapping[str, Any]) -> Any:
    """A contrast, or an association, which has a metric that it is of."""
    return (Association if "of" in record else Contrast)(**_renamed(record))


def _renamed(contrast: Mapping[str, Any]) -> dict[str, Any]:
    """A contrast's fields, of which earlier versions called the metric a figure."""
    return {"metric" if name == "figure" else name: value for name, value in contrast.items()}


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples."""
    if isinstance(value, dict):
        return {key: _tuples(v) for key, v in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """In words, where two records of designs differ in what they test.

    Settings that a tuning chose are no difference: the tuning is.
    """
    old, new = _tested(before), _tested(after)
    return [WORDS.get(name, name) for name in old if old[name] != new[name]]


def _tested(record: Mapping[str, Any]) -> dict[str, Any]:
    design = design_from_record(record)  # which fills in what came later
    found = {name: value for name, value in design_record(design).items() if name not in FREE}
    return {**found, "variants": [(variant.name, variant.tune) for variant in design.variants]}
