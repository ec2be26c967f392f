"""The measures of `kernel_shape` as a table: their columns, and what these mean."""

from __future__ import annotations

from collections.abc import Mapping

from windowconv.spectra.layer_shape import KernelShape
from windowconv.tables import TextTable

COLUMNS = {
    "side": ("side", ".0f"),
    "participation": ("taps", ".1f"),
    "edge": ("edge", ".3f"),
    "window_power": ("power", ".2f"),
    "own_leakage": ("own L", ".3f"),
    "own_disc": ("disc", ".3f"),
    "outside_lobe": ("outside", ".3f"),
    "lobe_area": ("area", ".3f"),
    "noise_eighth": ("noise L(1/8)", ".3f"),
    "noise_quarter": ("noise L(1/4)", ".3f"),
    "noise_own_leakage": ("noise own L", ".3f"),
    "noise_outside_lobe": ("noise outside", ".3f"),
}
"""By the attribute of `KernelShape`: the column's title, and how its numbers are written."""
DETAILS = {"own_disc", "lobe_area", *(key for key in COLUMNS if key.startswith("noise"))}
"""Columns that pages show on demand."""

LEGEND = (
    "Side: of the smallest central square with 95 % of the layer's energy, in taps. Taps: how many the energy takes "
    "part in (participation ratio). Edge: its share in the edge taps. Power: of the window that the kernels' RMS "
    "resembles (2: the window squared). Own L: the share of a kernel's spectral energy farther from its peaks than "
    "its own bandwidth; disc: of all frequencies, the share that is nearer. Outside: the share of energy outside the "
    "kernel's own main lobe; area: of all frequencies, the share inside. Noise: the same for random kernels whose RMS "
    "is that of the layer's."
)


def kernel_table(shapes: Mapping[str, KernelShape]) -> TextTable:
    """Layers' shapes by name."""
    rows = []
    for name, shape in shapes.items():
        figures = shape.figures()
        rows.append([name, *(_written(figures[key], form) for key, (_, form) in COLUMNS.items())])
    header = ["layer", *(title for title, _ in COLUMNS.values())]
    return TextTable(header, rows, [False] + [True] * len(COLUMNS))


def _written(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
