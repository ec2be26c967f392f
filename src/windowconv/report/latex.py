"""Tables for LaTeX: as they are, and cut to the columns that fit on a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from .blocks import Table
from .text import cell_texts

COMPACT = 6
"""Columns of a compact table, at most; the first ones say most."""
PREAMBLE = """% Tables for a paper: \\input{tables}, with these packages in the preamble:
%   \\usepackage{booktabs}
%   \\usepackage{graphicx}
% A table of more than 6 columns comes twice: whole, shrunk to the width of the text, and compact, for which the
% label ends with -compact. Keep one of them."""
CHARACTERS = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "²": "$^2$", "³": "$^3$", "≤": r"$\leq$", "≥": r"$\geq$",
    "∞": r"$\infty$", "Δ": r"$\Delta$", "σ": r"$\sigma$", "→": r"$\to$", "√": r"$\surd$", "ⁿ": "$^n$",
    "–": "--", "—": "---", "…": r"\ldots{}", "\n": " ", "\u00a0": "~",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}  # fmt: skip
LETTERS = "äöüÄÖÜßàáâãåæçèéêëìíîïñòóôõøùúûýÿÀÁÂÃÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕØÙÚÛÝ‘’“”"
"""Beyond ASCII, what LaTeX sets without another package."""


def latex_file(tables: Sequence[Table]) -> str:
    """The tables in one file that a paper can include; wide ones also compact."""
    texts = []
    for table in tables:
        texts.append(as_latex(table))
        if len(table.columns) > COMPACT:
            texts.append(as_latex(compact(table), "-compact"))
    return "\n\n".join([PREAMBLE, *texts]) + "\n"


def compact(table: Table) -> Table:
    """The table's first columns."""
    return replace(table, columns=table.columns[:COMPACT], rows=[row[:COMPACT] for row in table.rows])


def as_latex(table: Table, suffix: str = "") -> str:
    """A table for LaTeX with the packages booktabs and, if it is wide, graphicx; the note stands below.

    Args:
        table: any.
        suffix: of its label, which is `tab:` and the caption in small letters and hyphens.
    """
    columns = table.headings()
    layout = "".join("r" if column.numeric else "l" for column in columns)
    label = re.sub(r"[^a-z0-9]+", "-", table.caption.lower()).strip("-")
    wide = len(columns) > COMPACT
    tabular = [
        rf"\begin{{tabular}}{{{layout}}}",
        r"  \toprule",
        "  " + " & ".join(latex(column.title) for column in columns) + r" \\",
        r"  \midrule",
        *map(_row, cell_texts(table)),
        r"  \bottomrule",
        r"\end{tabular}" + ("}" if wide else ""),
    ]
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{latex(table.caption)}}}",
            rf"  \label{{tab:{label}{suffix}}}",
            *([r"  \resizebox{\textwidth}{!}{%"] if wide else []),
            *(f"  {line}" for line in tabular),
            *([rf"  \par\smallskip\footnotesize {latex(table.note)}"] if table.note else []),
            r"\end{table}",
        ]
    )


def _row(cells: Sequence[str]) -> str:
    """A line of a tabular; a bracket or star after the end of the line above would be an option of that."""
    text = " & ".join(map(latex, cells))
    return ("  {}" if text.startswith(("[", "*")) else "  ") + text + r" \\"


def latex(text: str) -> str:
    """Text as LaTeX sets it, whatever is in it; letters that need another package become their code.

    >>> print(latex("7x7_a: 50 % ≥ 3"), latex("中"))
    7x7\\_a: 50 \\% $\\geq$ 3 [U+4E2D]
    """
    return "".join(map(_character, text))


def _character(character: str) -> str:
    if character in CHARACTERS:
        return CHARACTERS[character]
    if (character.isascii() and character.isprintable()) or character in LETTERS:
        return character
    return f"[U+{ord(character):04X}]"
