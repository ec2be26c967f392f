"""JSON records: written whole, read back with their schema's version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from windowconv.errors import InputError
from windowconv.files import replace_file

SCHEMA_VERSION = 1


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON whole, with the schema's version."""
    text = json.dumps({"schema_version": SCHEMA_VERSION, **content}, indent=1, allow_nan=False)
    replace_file(path, (text + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read JSON that `write_json` wrote; an `InputError` for another schema version or damage."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["schema_version"]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise InputError(
            f"{path} is damaged ({reason}); remove that file and run the command that wrote it again"
        ) from error
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {version!r}, this version of windowconv reads {SCHEMA_VERSION}; "
            "use the version that wrote it"
        )
    return content


STUDY = "study.json"
