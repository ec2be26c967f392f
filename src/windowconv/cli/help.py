"""What `--help` shows: the commands in groups, and options with their kinds and defaults in plain words."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from functools import partial
from inspect import cleandoc
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from windowconv.errors import require

GROUPS = {
    "look": "Look at windows and filters",
    "try": "Try arms against each other",
    "train": "Train one network",
    "test": "Test a trained network",
    "ship": "Ship a trained network",
}
"""A command's attribute `group` -> title. A command without one is listed under OTHERS."""
OTHERS = "Other commands"
KINDS: dict[Any, str] = {str: "TEXT", int: "INT", float: "NUMBER", Path: "PATH"}


def overview(commands: Mapping[str, Any]) -> str:
    """The text of `windowconv --help`: one line a command.

    Args:
        commands: by name; the first sentence of its docstring describes each.
    """
    width = max(map(len, commands), default=0)
    lines = ["usage: windowconv COMMAND [OPTIONS]", "", *ABOUT]
    for group, title in {**GROUPS, None: OTHERS}.items():
        names = [name for name, command in commands.items() if _group(command) == group]
        if names:
            lines += ["", f"{title}:", *(_line(name, commands[name], width) for name in names)]
    return "\n".join([*lines, "", "windowconv COMMAND --help shows a command's options."])


ABOUT = (
    "Windowed convolutions: large kernels, tapered to reduce spectral leakage. Train networks with and",
    "without windows, compare them over seeds, and measure what their filters leak.",
)


def _group(command: Any) -> str | None:
    group = getattr(command, "group", None)
    return group if group in GROUPS else None


def _line(name: str, command: Any, width: int) -> str:
    paragraph = " ".join(cleandoc(command.__doc__ or "").split("\n\n")[0].split())
    sentence = paragraph.split(". ")[0].rstrip(".")
    return fill(sentence, 98, initial_indent=f"  {name:{width}}  ", subsequent_indent=" " * (width + 4))


def registry() -> Any:
    """tyro's rules for options, with ours for how kinds and defaults are shown."""
    constructors = require("tyro.constructors", "cli")
    rules, inside = constructors.ConstructorRegistry(), False

    @rules.struct_rule
    def dataclass(info: Any) -> Any:
        nonlocal inside
        if inside or not is_dataclass(info.type):
            return None
        inside = True  # tyro's own rule is asked next, through this one
        try:
            spec = rules.get_struct_spec(info)
        finally:
            inside = False
        return replace(spec, fields=tuple(map(_described, spec.fields)))

    return rules


def _described(field: Any) -> Any:
    """A field whose help says its kind and default as a user would."""
    arg = require("tyro", "cli").conf.arg
    kind = get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type
    if is_dataclass(kind):
        return field
    own = getattr(field.type, "__metadata__", ())  # comes last, and goes before ours
    shown = arg(metavar=_metavar(kind), help_behavior_hint=partial(_hint, field.default))
    text: Any = field.helptext
    text = text() if callable(text) else text
    return replace(
        field,
        type=Annotated[(kind, shown, *own)],  # pyright: ignore[reportInvalidTypeForm]
        helptext=text and " ".join(text.split()),  # a docstring's line breaks mean nothing
    )


def _metavar(kind: Any) -> str | None:
    """For `int | None`, what is given where something is; tyro's own for kinds that are named well."""
    if get_origin(kind) in (Union, types.UnionType):
        rest = [part for part in get_args(kind) if part is not types.NoneType]
        if get_origin(rest[0]) is Literal:
            return "{" + ",".join(map(str, get_args(rest[0]))) + "}"
        return "|".join(_metavar(part) or "VALUE" for part in rest)
    if get_origin(kind) is tuple:
        parts = [KINDS.get(part, "VALUE") for part in get_args(kind) if part is not ...]
        return f"{parts[0]}..." if get_args(kind)[-1] is ... else " ".join(parts)
    return KINDS.get(kind)


def _hint(default: Any, label: str) -> str:
    """What follows an option's description.

    >>> _hint(None, ""), _hint(8 / 255, ""), _hint((0.1, 1.0), ""), _hint(False, ""), _hint("auto", "")
    ('', '(default: 8/255)', '(default: 0.1 1)', '(default: no)', '(default: auto)')
    """
    if default is None or default == () or "MISSING" in repr(type(default)).upper():
        return "" if default is None or default == () else "(required)"
    values = default if isinstance(default, tuple) else (default,)
    return f"(default: {' '.join(map(_value, values))})"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        levels = value * 255  # of a pixel
        is_level = abs(levels - round(levels, 1)) < 1e-9 and len(repr(value)) > 8
        return f"{round(levels, 1):g}/255" if is_level else f"{value:g}"
    return str(value)
