"""Report pages: one self-contained HTML file each, which works offline.

>>> from windowconv.report import Column, Page, Section, Table, Text, write
>>> table = Table("Accuracy", ["arm", Column("accuracy (%)", ".2f")], [["3x3", 93.214], ["7x7", 91.7]])
>>> page = Page("A study", "What was asked.", [Section("Results", [Text("In short."), table])], {"seeds": 2})
>>> write(page, "study.html")  # doctest: +SKIP
PosixPath('study.html')
"""

from .blocks import Block, Cell, Column, Figure, Link, Page, Section, Table, Text
from .explorer import Explorer
from .latex import as_latex, latex_file
from .render import render, write
from .text import as_json, as_markdown

__all__ = [
    "Block",
    "Cell",
    "Column",
    "Explorer",
    "Figure",
    "Link",
    "Page",
    "Section",
    "Table",
    "Text",
    "as_json",
    "as_latex",
    "as_markdown",
    "latex_file",
    "render",
    "write",
]
