"""Results as tables: plain text, and HTML where a notebook shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]], numeric: Sequence[bool] | None = None) -> str:
    """Rows in aligned columns; numbers, or the columns that `numeric` marks, are right-aligned.

    >>> print(format_table(["layer", "taps"], [["conv1", 49], ["conv2", 9]]))
    layer  taps
    conv1    49
    conv2     9
    """
    cells, right = _cells(rows), numeric or _numeric(header, rows)
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    lines = []
    for row in [list(header), *cells]:
        padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _cells(rows: Sequence[Sequence[object]]) -> list[list[str]]:
    return [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]


def _numeric(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[bool]:
    return [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(header))]


@dataclass(frozen=True)
class TextTable:
    """A table that `str` gives as `format_table` does, and `html` as a `<table>`, escaped."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    numeric: Sequence[bool] | None = None

    def __str__(self) -> str:
        return format_table(self.header, self.rows, self.numeric)

    def html(self) -> str:
        """The table without any style but the columns' alignment, so that it takes the look of what is around it."""
        right = self.numeric or _numeric(self.header, self.rows)
        aligned = [f' style="text-align: {"right" if each else "left"}"' for each in right]
        lines = []
        for tag, row in [("th", list(self.header)), *(("td", row) for row in _cells(self.rows))]:
            cells = (f"<{tag}{style}>{escape(cell)}</{tag}>" for cell, style in zip(row, aligned, strict=True))
            lines.append(f"<tr>{''.join(cells)}</tr>")
        return f"<table><thead>{lines[0]}</thead><tbody>{''.join(lines[1:])}</tbody></table>"


class Shown:
    """A result made of tables and lines: `print` shows it as text, a notebook as HTML."""

    def parts(self) -> Sequence[TextTable | str]:
        """The tables and lines, from top to bottom."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n".join(map(str, self.parts()))

    def _repr_html_(self) -> str:
        blocks = [part.html() if isinstance(part, TextTable) else f"<p>{escape(part)}</p>" for part in self.parts()]
        return f'<div style="overflow-x: auto">{"".join(block for block in blocks if block != "<p></p>")}</div>'


def by_sign(size: Sequence[int] | str) -> str:
    """A kernel's size with multiplication signs.

    >>> by_sign((7, 7))
    '7x7'
    """
    return size if isinstance(size, str) else "x".join(map(str, size))
