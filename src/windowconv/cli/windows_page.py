"""The page that `windowconv windows --out windows.html` writes."""

from __future__ import annotations

from collections.abc import Sequence

import windowconv
from windowconv.cli.at_size import RADII, AtSize, share_format, taps
from windowconv.report import Column, Explorer, Figure, Page, Section, Table, Text
from windowconv.spectra.frequency_axis import FrequencyAxis
from windowconv.spectra.merit_table import COLUMNS, WindowTable
from windowconv.tables import by_sign

LOBES = "Lobe widths in the table are in bins of 1/N cycles per sample: compare windows of one size, not sizes."
EXPLORER = "Symmetric windows, as used for kernels. Leakage as computed by windowconv.spectra.leakage_curve."


def page(table: WindowTable, rows: Sequence[AtSize], advice: Sequence[str], svg: str, axis: FrequencyAxis) -> Page:
    """Advice, tables, the plot (`svg`, an `<svg>` element), and a kernel to try windows on."""
    size = table.size
    small = share_format(min(value for row in rows for value in row.leakage))
    effect = Table(
        f"Effect on a flat kernel of {by_sign((size,) * axis.dims)} taps",
        [
            "window",
            Column(f"effective {taps(axis.dims)}", ".2f"),
            "dead taps",
            *(Column(f"L({axis.short(r)})", small) for r in RADII),
        ],
        [[row.label, row.effective, row.dead, *row.leakage] for row in rows],
        note=f"L(r): share of spectral energy farther than r ({axis.unit}) from the spectrum's peak.",
        sortable=True,
    )
    drawing = Figure(svg, LOBES, f"Taps and spectra of {', '.join(table.labels)} at {size} taps")
    sections = [
        Section("Which window to use", [Text("\n\n".join(advice)), effect]),
        Section("Figures of merit", [_merit(table), drawing]),
    ]
    if axis.dims == 2 and size % 2 and 3 <= size <= 31:
        sections.insert(1, Section("Try it", [Explorer(EXPLORER, size=size)]))
    lead = "What each window does to a kernel of this size, and which one to use."
    return Page(f"Windows of {size} taps", lead, sections, {"windowconv": windowconv.__version__})


def _merit(table: WindowTable) -> Table:
    shown = table.shown()
    columns = [Column(COLUMNS[key][0], COLUMNS[key][1].removeprefix("z")) for key in shown]
    cells = [[row["window"], *(row[key] for key in shown)] for row in table.rows()]
    return Table(f"Windows of {table.size} taps", ["window", *columns], cells, note=table.units(), sortable=True)
