"""Settings of all runs of a study as text, such as `epochs=30`."""

from __future__ import annotations

from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from windowconv.errors import InputError, unknown
from windowconv.lab.config import Training


def parse_setting(text: str) -> tuple[str, Any]:
    """A setting's name and its value as `Training` takes it, from `KEY=VALUE`; an `InputError` if it is neither.

    >>> parse_setting("train-images=500")
    ('train_images', 500)
    """
    name, equals, value = text.partition("=")
    name = name.strip().replace("-", "_")
    kinds = get_type_hints(Training)
    if not equals:
        raise InputError(f"settings={text!r}; allowed: KEY=VALUE, such as epochs=30")
    if name not in kinds:
        raise unknown("setting", name, kinds)
    try:
        return name, _converted(kinds[name], value.strip())
    except (ValueError, KeyError):
        raise InputError(f"settings={text!r}: {value!r} is no value of {name.replace('_', '-')}") from None


def _converted(kind: Any, text: str) -> Any:
    """A word as a field's kind of value, such as int, float | None or tuple[float, ...]."""
    if isinstance(kind, UnionType):
        (kind,) = (each for each in get_args(kind) if each is not type(None))
        return None if text.lower() == "none" else _converted(kind, text)
    if kind is bool:
        return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
    if get_origin(kind) is tuple:
        return tuple(get_args(kind)[0](part) for part in text.split(","))
    return kind(text) if kind in (int, float) else text
