"""A table outside of a page: as Markdown and JSON."""

from __future__ import annotations

from typing import Any

from .blocks import Link, Table


def as_markdown(table: Table) -> str:
    """A table of GitHub's Markdown under its caption, with the note below.

    >>> from windowconv.report import Column
    >>> print(as_markdown(Table("Accuracy", ["arm", Column("%", ".1f")], [["3x3", 93.21]])))
    **Accuracy**
    <BLANKLINE>
    | arm | % |
    | :--- | ---: |
    | 3x3 | 93.2 |
    """
    columns = table.headings()
    rule = ["---:" if column.numeric else ":---" for column in columns]
    lines = [f"**{_plain(table.caption)}**", "", _row([_plain(column.title) for column in columns]), _row(rule)]
    lines += [_row([_plain(text) for text in row]) for row in cell_texts(table)]
    return "\n".join([*lines, *(["", _plain(table.note)] if table.note else [])])


def as_json(table: Table) -> dict[str, Any]:
    """A table as plain values: numbers as they are, not as they are shown."""
    columns = [column.title for column in table.headings()]
    rows = [[cell.text if isinstance(cell, Link) else cell for cell in row] for row in table.rows]
    return {"caption": table.caption, "columns": columns, "rows": rows, "note": table.note}


def cell_texts(table: Table) -> list[list[str]]:
    """The cells as the reader sees them."""
    columns = table.headings()
    return [[column.text(cell) for column, cell in zip(columns, row, strict=True)] for row in table.rows]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
