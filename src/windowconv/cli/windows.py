"""The text of `windowconv windows`: figures of merit, what each window does at a kernel's size, and which to use."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from windowconv.cli.at_size import RADII, SQUARE, AtSize, at_size, recommendations, share_text
from windowconv.errors import InputError
from windowconv.files import replace_file
from windowconv.spectra.frequency_axis import FrequencyAxis
from windowconv.spectra.harris import SIZE, harris_windows
from windowconv.spectra.merit_table import WindowTable, window_table
from windowconv.tables import by_sign, format_table
from windowconv.windows import Window, window_values

FORM = re.compile(r"(?P<name>[a-z][a-z0-9_]*)(:(?P<params>[-+\d.,e]+))?")
LARGEST = {1: 65_535, 2: 255, 3: 31}
"""Taps on a side, by axes: spectra of so many axes are computed."""


def parse_window(text: str) -> Window:
    """The window that `text` names: SciPy's name, its parameters after a colon.

    Raises:
        InputError: text of another form, or an unknown name.

    >>> parse_window("kaiser:8.6")
    Window(name='kaiser', params=(8.6,), sym=True, kind='separable', normalize='none')
    """
    match = FORM.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        params = tuple(float(p) for p in match["params"].split(",")) if match["params"] else ()
    except ValueError:
        allowed = "a window's name, with parameters after a colon, such as hamming or kaiser:8.6"
        raise InputError(f"names={text!r}; allowed: {allowed}") from None
    return Window(match["name"], params)


def default_names(size: int) -> list[str]:
    """The windows shown by default; the Gaussian's standard deviation is a quarter of the kernel's span."""
    names = ["boxcar", "hamming", "cosine", "kaiser:5", f"gaussian:{max(size - 1, 1) / 4:g}"]
    return names + ["hann", "blackman"] * (size != 2)  # zero at both of two taps


def report(size: int, names: Sequence[str], out: Path | None, as_json: bool, axis: FrequencyAxis = SQUARE) -> str:
    """The text, or with `as_json` the JSON, for windows of a kernel of `size` taps.

    Args:
        size: taps on a side, 1 to the `LARGEST` of the axis.
        names: windows as `parse_window` takes them; the default ones if empty.
        out: a .svg, .png or .html file to write too, or None.
        as_json: JSON instead of text.
        axis: what the kernel's frequencies are counted in.
    """
    dims = axis.dims
    if not 1 <= size <= LARGEST[dims]:
        raise InputError(f"size={size}; allowed: 1 to {LARGEST[dims]:,} taps with --dims {dims}")
    windows = {name: parse_window(name) for name in names or default_names(size)}
    table = window_table(windows, size)
    rows = [at_size(window, name, size, dims) for name, window in windows.items()]
    advice = recommendations(rows, size, axis) if size > 1 else ["A kernel of one tap has nothing to taper."]
    if out is not None:
        _write(table, rows, advice, windows, out, axis)
    if as_json:
        merged = [row | _as_dict(window) for row, window in zip(table.rows(), rows, strict=True)]
        kernel = {"size": size, "dims": dims, "rate": axis.rate, "sym": True}
        return json.dumps({**kernel, "windows": merged, "advice": advice}, indent=2)
    title, effect = f"Symmetric windows of {size} taps", kernel_table(rows, size, axis)
    return "\n".join([title, "", str(table), "", effect, "", *(fill(line, 110) for line in advice)])


def kernel_table(rows: Sequence[AtSize], size: int, axis: FrequencyAxis = SQUARE) -> str:
    """What windows do to a flat kernel of `size` taps on each axis, as columns of text."""
    header = ["window", "effective taps", f"dead of {size**axis.dims:,}", *(f"L({axis.short(r)})" for r in RADII)]
    cells = [[each.label, f"{each.effective:.2f}", str(each.dead), *map(share_text, each.leakage)] for each in rows]
    kernel = f"flat {by_sign((size,) * axis.dims)} kernel" if axis.dims > 1 else f"flat kernel of {size} taps"
    note = f"dead taps and leakage are of a {kernel} under the window."
    note = f"Effective taps are per axis; {note}" if axis.dims > 1 else note.capitalize()
    return "\n".join([format_table(header, cells, [False, True, True, True, True]), note])


def harris_report(as_json: bool) -> str:
    """Harris's windows, large and periodic, as a table or as JSON."""
    table = window_table(harris_windows(), SIZE)
    if as_json:
        return json.dumps({"size": SIZE, "sym": False, "windows": table.rows()}, indent=2)
    return f"The windows of Harris 1978: periodic, {SIZE:,} values (docs/harris.md)\n\n{table}"


def _write(
    table: WindowTable,
    rows: list[AtSize],
    advice: list[str],
    windows: dict[str, Window],
    out: Path,
    axis: FrequencyAxis,
) -> None:
    """Write the plot of the windows, or the page, to `out`, by its suffix."""
    from windowconv import plots

    if out.suffix not in (".svg", ".png", ".html"):
        raise InputError(f"out={str(out)!r}; allowed: a file that ends in .svg, .png or .html")
    values = {name: window_values(window, (table.size,)) for name, window in windows.items()}
    figure = plots.windows_figure(values, unit=axis.unit, scale=axis.scale)
    if out.suffix == ".html":
        from windowconv.cli.windows_page import page
        from windowconv.report import write

        write(page(table, rows, advice, plots.svg(figure), axis), out)
    elif out.suffix == ".png":
        plots.png(figure, out)
    else:
        replace_file(out, plots.svg(figure).encode())


def _as_dict(window: AtSize) -> dict[str, object]:
    leakage = dict(zip(RADII, window.leakage, strict=True))
    return {
        "effective_taps": window.effective,
        "dead_taps": window.dead,
        "leakage": leakage,
        "problem": window.problem,
    }
