"""Settings of all runs of a study as text, such as `epochs=30`."""

from __future__ import annotations

from typing import Any

from windowconv.errors import InputError, unknown
from windowconv.lab.config import Training


def parse_setting(text: str) -> tuple[str, Any]:
    """A setting's name and its value as `Training` takes it, from `KEY=VALUE`; an `InputError` if it is neither.

    >>> parse_setting("train-images=500")
    ('train_images', 500)
    """
    name, equals, value = text.partition("=")
    name = name.strip().replace("-", "_")
    defaults = vars(Training())
    if not equals:
        raise InputError(f"settings={text!r}; allowed: KEY=VALUE, such as epochs=30")
    if name not in defaults:
        raise unknown("setting", name, defaults)
    try:
        return name, _converted(defaults[name], value.strip())
    except (ValueError, KeyError):
        raise InputError(f"settings={text!r}: {value!r} is no value of {name.replace('_', '-')}") from None


def _converted(default: Any, text: str) -> Any:
    """A word as the kind of value that a field's default is; None's are whole numbers."""
    if isinstance(default, bool):
        return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
    if default is None or isinstance(default, int):
        return None if default is None and text.lower() == "none" else int(text)
    if isinstance(default, float):
        return float(text)
    if isinstance(default, tuple):
        return tuple(float(part) for part in text.split(","))
    return text
