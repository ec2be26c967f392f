"""The picture of a training step's time against the kernel's size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.fftconv.layers import IN_PICTURE
from benchmarks.fftconv.ratios import against_same, against_small
from benchmarks.record import Record, Row
from windowconv.plots import png
from windowconv.plots.colours import PALETTE
from windowconv.plots.style import GREY, legend_above, panels, styled

LINES = {"direct": "torch's own, same k", "pure": "fft, pure PyTorch", "fft": "fft, native"}


def draw(record: Record, path: Path) -> bool:
    """Write the picture, if there are rows for one."""
    found = {size: rows for size in IN_PICTURE if len(rows := _rows(record, *size)) > 1}
    if found:
        png(_figure(found, record.environment), path)
    return bool(found)


def _rows(record: Record, channels: int, pixels: int) -> list[Row]:
    rows = record.group("layers/float32/training").values()
    chosen = [row for row in rows if (row["shape"]["channels"], row["shape"]["pixels"]) == (channels, pixels)]
    return sorted(chosen, key=lambda row: row["shape"]["kernel"])


@styled()
def _figure(found: dict[tuple[int, int], list[Row]], environment: dict[str, Any]) -> Any:
    figure, grid = panels(3.6 * len(found), 3.6, 1, len(found))
    for axes, ((channels, pixels), rows) in zip(grid[0], found.items(), strict=True):
        kernels = [row["shape"]["kernel"] for row in rows]
        for (variant, label), colour in zip(LINES.items(), PALETTE, strict=False):
            points = [(row["shape"]["kernel"], 1e3 * _of(row, variant)) for row in rows if _has(row, variant)]
            axes.plot(*zip(*points, strict=True), "o-", markersize=4, label=label, color=colour)
        small = 1e3 * sum(against_small(row).baseline_s for row in rows) / len(rows)
        axes.axhline(small, color=GREY, linewidth=0.8, linestyle="--", label="torch's own 3x3")
        axes.set(xlabel="k", ylabel="training step (ms)", yscale="log", xticks=kernels)
        axes.set_title(f"{rows[0]['shape']['batch']} pictures, {channels} channels, {pixels}x{pixels}")
        axes.grid(axis="y")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda *_: "")
    legend_above(figure, grid[0, 0], f"float32, {environment['threads']} threads, {environment['instructions']}")
    return figure


def _has(row: Row, variant: str) -> bool:
    return variant == "direct" or variant in row["small"]["samples"]


def _of(row: Row, variant: str) -> float:
    """Seconds of a variant."""
    ratio = against_same(row) if variant == "direct" else against_small(row, variant)
    return ratio.variant_s
