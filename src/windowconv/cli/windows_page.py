"""The page that `windowconv windows --out windows.html` writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import windowconv
from windowconv.report import Column, Explorer, Figure, Page, Section, Table, Text
from windowconv.spectra.merit_table import COLUMNS, WindowTable

if TYPE_CHECKING:
    from windowconv.cli.windows import AtSize

LOBES = "Lobes are measured in bins of 1/N cycles/pixel: they compare windows of one size, not sizes."


def page(table: WindowTable, each: Sequence[AtSize], advised: Sequence[str], svg: str) -> Page:
    """Advice, the tables, the figure, and a kernel to try windows on."""
    size = table.size
    taps = Table(
        f"On a flat {size}x{size} kernel",
        [
            "window",
            Column("effective taps an axis", ".2f"),
            "dead taps",
            Column("L(1/8)", ".4f"),
            Column("L(1/4)", ".4f"),
        ],
        [[one.label, one.effective, one.dead, *one.leakage] for one in each],
        note="L(r): share of the energy farther than r from the spectrum's peak, r in cycles/pixel.",
        sortable=True,
    )
    drawing = Figure(svg, LOBES, f"Taps and spectra of {', '.join(table.labels)} at {size} taps")
    sections = [
        Section("Which window", [Text("\n\n".join(advised)), taps]),
        Section("Figures of merit", [_merit(table), drawing]),
    ]
    if size % 2 and 3 <= size <= 31:
        caption = "Symmetric windows, as kernels have them. Leakage is that of windowconv.spectra.leakage_curve."
        sections.insert(1, Section("Try it", [Explorer(caption, size=size)]))
    lead = "What each window does to a kernel of this size, and which to take."
    return Page(f"Windows at {size} taps", lead, sections, {"windowconv": windowconv.__version__})


def _merit(table: WindowTable) -> Table:
    rows = table.rows()
    shown = table.shown()
    columns = [Column(COLUMNS[key][0], COLUMNS[key][1].removeprefix("z")) for key in shown]
    cells = [[row["window"], *(row[key] for key in shown)] for row in rows]
    return Table(f"Windows of {table.size} taps", ["window", *columns], cells, note=table.units(), sortable=True)
