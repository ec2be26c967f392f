"""A table outside of a page: as Markdown, LaTeX and JSON."""

from __future__ import annotations

from typing import Any

from .blocks import Link, Table

LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "±": r"$\pm$"}
LATEX |= {"×": r"$\times$", "²": "$^2$", "–": "--", **{character: f"\\{character}" for character in "&%$#_{}"}}


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
    lines = [f"**{table.caption}**", "", _row([_plain(column.title) for column in columns]), _row(rule)]
    lines += [_row([_plain(text) for text in row]) for row in _texts(table)]
    return "\n".join([*lines, *(["", table.note] if table.note else [])])


def as_latex(table: Table) -> str:
    """A table for LaTeX with the package booktabs; the note is part of the caption."""
    columns = table.headings()
    layout = "".join("r" if column.numeric else "l" for column in columns)
    caption = _latex(f"{table.caption}. {table.note}".strip())
    rows = [" & ".join(map(_latex, row)) + r" \\" for row in _texts(table)]
    return "\n".join(
        [
            r"\begin{table}",
            rf"  \caption{{{caption}}}",
            rf"  \begin{{tabular}}{{{layout}}}",
            r"    \toprule",
            "    " + " & ".join(_latex(column.title) for column in columns) + r" \\",
            r"    \midrule",
            *(f"    {row}" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    )


def as_json(table: Table) -> dict[str, Any]:
    """A table as plain values: numbers as they are, not as they are shown."""
    columns = [column.title for column in table.headings()]
    rows = [[cell.text if isinstance(cell, Link) else cell for cell in row] for row in table.rows]
    return {"caption": table.caption, "columns": columns, "rows": rows, "note": table.note}


def _texts(table: Table) -> list[list[str]]:
    columns = table.headings()
    return [[column.text(cell) for column, cell in zip(columns, row, strict=True)] for row in table.rows]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _latex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)
