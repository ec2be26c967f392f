"""JSON that is read back, checked against types: the one place that knows how."""

from __future__ import annotations

import re
from typing import Any

from windowconv.errors import InputError, require

msgspec = require("msgspec", "lab")

MISSING = re.compile(r"Object missing required field `(.+?)`(?: - at `\$\.?(.*)`)?$", re.DOTALL)
MISFIT = re.compile(r"(.+) - at `\$\.?(.*)`$", re.DOTALL)
KINDS = re.compile(r"`([a-z]+(?: \| [a-z]+)*)`")
WORDS = {
    "object": "an object",
    "array": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}


class Grid:
    """In schemas: lists of numbers, all of one length, and one number at least."""


def exactly(n: int) -> Any:
    """For `Annotated`: a list or text of this length."""
    return msgspec.Meta(min_length=n, max_length=n)


def at_least(n: int) -> Any:
    """For `Annotated`: a list or text of this length, or longer."""
    return msgspec.Meta(min_length=n)


def parse_json(content: bytes) -> Any:
    """The value of JSON text in UTF-8.

    Raises:
        InputError: anything else, NaN and infinities included; the message is the reason alone.
    """
    try:
        return msgspec.json.decode(content)
    except (ValueError, RecursionError) as error:
        raise InputError(" ".join(str(error).split())) from error


def check_types(content: Any, schema: Any) -> None:
    """An `InputError` unless a value that was read from JSON has the types of a schema.

    Args:
        content: dictionaries, lists, text, numbers, booleans and None.
        schema: a type: a `TypedDict` or a dataclass, of which further keys are allowed, or made of such. A whole number
            is a number too; a boolean is neither.

    Raises:
        InputError: the message is the reason alone, the key first: "'data.train': expected a whole number, got text".
    """
    try:
        msgspec.convert(content, schema, dec_hook=_grid)  # which copies: the value itself stays as it is, 1 is no 1.0
    except (ValueError, RecursionError) as error:
        raise InputError(_reason(str(error))) from error


def _grid(kind: type, value: Any) -> Any:
    """`Grid`, which msgspec does not know."""
    if kind is not Grid:
        raise NotImplementedError
    try:
        rows = msgspec.convert(value, list[list[float]])
    except msgspec.ValidationError:
        rows = []
    if not rows or not rows[0] or len({len(row) for row in rows}) > 1:
        raise ValueError("expected lists of numbers, all of one length")
    return kind()  # what it becomes is not looked at


def _reason(message: str) -> str:
    """A message of msgspec's in the form of all others."""
    if found := MISSING.match(message):
        return f"{'.'.join(filter(None, (found[2], found[1])))!r} is missing"
    message = KINDS.sub(lambda kinds: " or ".join(WORDS.get(kind, kind) for kind in kinds[1].split(" | ")), message)
    found = MISFIT.match(message)
    if not found:
        return message[0].lower() + message[1:]
    reason = found[1].replace("`", "")
    return f"{found[2]!r}: {reason[0].lower() + reason[1:]}"
