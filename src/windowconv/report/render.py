"""A page as HTML, and as a file."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from windowconv.errors import require
from windowconv.files import replace_file

from .blocks import Page, is_long
from .explorer import Explorer

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent


def render(page: Page) -> str:
    """`page` as one HTML document: style, script and figures inside, nothing fetched, everything escaped."""
    explorers = any(isinstance(block, Explorer) for section in page.sections for block in section.blocks)
    return (
        _environment().get_template("page.html").render(page=page, anchors=section_anchors(page), explorers=explorers)
    )


def write(page: Page, path: str | Path) -> Path:
    """Write `page` to `path`, making missing folders, and return the path.

    An `InputError` says why it could not be written; a page that stood there still does, whole.
    """
    replace_file(Path(path), render(page).encode())
    return Path(path)


def section_anchors(page: Page) -> list[str]:
    """An id for each section: its title in small letters and hyphens, numbered where two would clash."""
    anchors: list[str] = []
    for section in page.sections:
        slug = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-") or "section"
        taken = sum(bool(re.fullmatch(rf"section-{slug}(-\d+)?", anchor)) for anchor in anchors)
        anchors.append(f"section-{slug}" + (f"-{taken + 1}" if taken else ""))
    return anchors


@cache
def _environment() -> Environment:
    jinja2 = require("jinja2", "report")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["long"] = is_long
    return environment
