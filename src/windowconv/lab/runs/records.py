"""JSON records: written whole, read back with their schema's version and their types checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.files import replace_file
from windowconv.lab.schema import check_types, parse_json

SCHEMA_VERSION = 1
STUDY = "study.json"
WAY_OUT = "remove that file and run the command that wrote it again"


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON whole, with the schema's version."""
    text = json.dumps({"schema_version": SCHEMA_VERSION, **content}, indent=1, allow_nan=False)
    replace_file(path, (text + "\n").encode())


def read_json(path: Path, schema: Any = dict, way_out: str = WAY_OUT) -> dict[str, Any]:
    """Read JSON that `write_json` wrote.

    Args:
        path: the file.
        schema: what it must hold, see `check_types`.
        way_out: what to do about a damaged one.

    Raises:
        InputError: a file that cannot be read; another schema version; no JSON, a key that is missing, a value of
            another type.
    """
    try:
        content = parse_json(path.read_bytes())
        check_types(content, dict)
        if "schema_version" not in content:
            raise InputError("'schema_version' is missing")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except InputError as error:
        raise damaged(path, error, way_out) from error
    version = content["schema_version"]
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {version!r}, this version of windowconv reads {SCHEMA_VERSION}; "
            "use the version that wrote it"
        )
    try:
        check_types(content, schema)
    except InputError as error:
        raise damaged(path, error, way_out) from error
    return content


def damaged(path: Path, reason: object, way_out: str = WAY_OUT) -> InputError:
    """What is said of a record that cannot be used."""
    return InputError(f"{path} is damaged ({reason}); {way_out}")
