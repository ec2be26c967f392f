"""The parts of a page, without HTML: frozen values, validated when they are created."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import TypeAlias

from windowconv.errors import InputError

from .explorer import Explorer

MISSING = "–"
LONG = 16
"""Characters of a row's heading from which it may be broken into lines."""


@dataclass(frozen=True)
class Link:
    """A cell that leads to a place in the page (`#anchor`) or to a file beside it (a relative path).

    An `InputError` for a target that leads elsewhere.
    """

    text: str
    target: str

    def __post_init__(self) -> None:
        if not self.target or self.target.startswith("/") or ":" in self.target:
            raise InputError(f"target={self.target!r}; allowed: #anchor, or a relative path")

    def __str__(self) -> str:
        return self.text


Cell: TypeAlias = str | float | Link | None


@dataclass(frozen=True)
class Column:
    """A table's column: its heading, how its numbers are formatted, and whether it stands at the right.

    `format` is a format specification for the numbers in it (".2f", ".1%", "+.2f"); without one, whole
    numbers are grouped in thousands and others have four digits. `numeric` is whether cells are aligned at
    the right and sorted by value; by default, where at least one cell is a number and none a string. A column of
    `detail` is hidden on a page until the reader asks for all.
    """

    title: str
    format: str = ""
    numeric: bool | None = None
    detail: bool = False

    def text(self, cell: Cell) -> str:
        """`cell` as the reader sees it; None is a dash."""
        if cell is None:
            return MISSING
        if isinstance(cell, str | bool | Link):
            return str(cell)
        shown = format(cell, self.format or ("," if isinstance(cell, Integral) else ".4g"))
        return shown.replace("-", "−")  # a minus as wide as the digits


@dataclass(frozen=True)
class Table:
    """A table of strings and numbers; a column given as a string is `Column(that string)`.

    The first cell of each row is the row's heading. `note` stands below in small print; `sortable` lets the
    reader sort by a click on a heading. An `InputError` names a row of another length than `columns`.
    """

    caption: str
    columns: Sequence[str | Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    sortable: bool = False

    def __post_init__(self) -> None:
        if not self.columns:
            raise InputError(f"table {self.caption!r} has no columns; allowed: one or more")
        wanted = len(self.columns)
        for number, row in enumerate(self.rows, 1):
            if len(row) != wanted:
                raise InputError(f"table {self.caption!r}: row {number} has {len(row)} cells; allowed: {wanted}")

    def headings(self) -> list[Column]:
        """The columns, each knowing whether it is numeric."""
        columns = [Column(column) if isinstance(column, str) else column for column in self.columns]
        cells = [[row[i] for row in self.rows if row[i] is not None] for i in range(len(columns))]
        return [_knowing(column, held) for column, held in zip(columns, cells, strict=True)]


def _knowing(column: Column, cells: Sequence[Cell]) -> Column:
    """The column with `numeric` decided, by its cells that are not missing."""
    if column.numeric is not None:
        return column
    return replace(column, numeric=bool(cells) and all(map(_is_number, cells)))


def is_long(cell: Cell) -> bool:
    """Whether a row's heading is so long that it may be broken into lines."""
    return len(str(cell)) > LONG


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, Real) and not isinstance(cell, bool)  # numpy's numbers are Real too


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG text (`windowconv.plots.svg`), its caption, and `alt`: what it shows, in words.

    `anchor` is an id that a `Link` may lead to.

    The SVG goes into the page as it is: it must be our own drawing, never text from elsewhere. An
    `InputError` says that it is no `<svg>` element, or that `alt` is empty.
    """

    svg: str
    caption: str
    alt: str
    anchor: str = ""

    def __post_init__(self) -> None:
        if not (self.svg.startswith("<svg") and self.svg.rstrip().endswith("</svg>")):
            raise InputError(f"svg={self.svg[:40]!r}; allowed: one <svg> element")
        if not self.alt.strip():
            raise InputError(f"alt='' of the figure {self.caption!r}; allowed: a description of what it shows")
        if not re.fullmatch(r"[\w.:-]*", self.anchor):
            raise InputError(f"anchor={self.anchor!r}; allowed: letters, digits and -_.:")

    @property
    def least_width(self) -> int:
        """The width in CSS pixels below which it is scrolled rather than shrunk: 3/4 of its own; 0 if unknown.

        Its letters of 8 points have 8 pixels there.
        """
        own = re.match(r'<svg[^>]*\bwidth="([\d.]+)pt"', self.svg)
        return round(float(own[1])) if own else 0  # a point is 4/3 pixels


@dataclass(frozen=True)
class Text:
    """Paragraphs, separated by empty lines; with `code`, one block in typewriter letters, as it is."""

    text: str
    code: bool = False

    def paragraphs(self) -> list[str]:
        """The paragraphs, without the empty lines."""
        return [part.strip() for part in self.text.split("\n\n") if part.strip()]


Block: TypeAlias = Table | Figure | Text | Explorer


@dataclass(frozen=True)
class Section:
    """A heading with blocks under it, after an introduction if there is one."""

    title: str
    blocks: Sequence[Block]
    intro: str = ""


@dataclass(frozen=True)
class Page:
    """A report: title, lead, sections, and the facts it rests on (hardware, versions, command, date)."""

    title: str
    lead: str
    sections: Sequence[Section]
    facts: Mapping[str, object] = field(default_factory=dict)
