"""Plain-text tables."""

from __future__ import annotations

from collections.abc import Sequence


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]], numeric: Sequence[bool] | None = None) -> str:
    """Rows in aligned columns; numbers, or the columns that `numeric` marks, are right-aligned.

    >>> print(format_table(["layer", "taps"], [["conv1", 49], ["conv2", 9]]))
    layer  taps
    conv1    49
    conv2     9
    """
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    right = numeric or [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(header))]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    lines = []
    for row in [list(header), *cells]:
        padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def by_sign(size: Sequence[int] | str) -> str:
    """A kernel's size with multiplication signs.

    >>> by_sign((7, 7))
    '7x7'
    """
    return size if isinstance(size, str) else "x".join(map(str, size))
