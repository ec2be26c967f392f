"""What `windowconv windows` says: figures of merit, what each window does at a kernel's size, and which to take."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import torch

from windowconv.errors import InputError
from windowconv.files import replace_file
from windowconv.spectra.curve import GRID, leakage_curve
from windowconv.spectra.harris import SIZE, harris_windows
from windowconv.spectra.merit_table import WindowTable, window_table
from windowconv.tables import format_table
from windowconv.windows import Window, advice, window_values

FORM = re.compile(r"(?P<name>[a-z][a-z0-9_]*)(:(?P<params>[-+\d.,e]+))?")
RADII = (1 / 8, 1 / 4)  # cycles/pixel
LARGEST = 255  # taps: kernels, whose two-dimensional spectra are computed


def parse_window(text: str) -> Window:
    """The window that a word means: a name of SciPy's, its parameters after a colon.

    Raises:
        InputError: a word of another form, an unknown name.

    >>> parse_window("kaiser:8.6")
    Window(name='kaiser', params=(8.6,), sym=True, kind='separable', normalize='none')
    """
    match = FORM.fullmatch(text)
    if match is None:
        raise InputError(f"names: {text!r}; allowed: a name, or a name and numbers, such as hamming or kaiser:8.6")
    try:
        params = tuple(float(p) for p in match["params"].split(",")) if match["params"] else ()
    except ValueError:
        raise InputError(f"names: {text!r}: {match['params']!r} are no numbers separated by commas") from None
    return Window(match["name"], params)


def usual(size: int) -> list[str]:
    """The windows that people ask for; the Gaussian's standard deviation is a quarter of the kernel's span."""
    names = ["boxcar", "hamming", "cosine", "kaiser:5", f"gaussian:{max(size - 1, 1) / 4:g}"]
    return names + ["hann", "blackman"] * (size != 2)  # which are zero there


@dataclass(frozen=True)
class AtSize:
    """A window of a square kernel: taps that count, taps that are dead, and leakage.

    Attributes:
        label: the window's name.
        effective: effective taps an axis, (sum w)^2 / sum w^2.
        dead: taps of the square kernel that are zero.
        ends: whether the first and last tap of an axis are.
        leakage: L(1/8) and L(1/4) of the kernel that is the window itself (a flat kernel, windowed).
        problem: what `windowconv.windows.advice` says against it; None if nothing.
    """

    label: str
    effective: float
    dead: int
    ends: bool
    leakage: tuple[float, ...]
    problem: str | None


def at_size(window: Window, label: str, size: int) -> AtSize:
    """What the window does to a flat `size` x `size` kernel."""
    values = np.abs(window_values(window, (size, size)))
    row = window_values(window, (size,))
    grid = max(GRID, 2 ** (2 * size - 2).bit_length())  # larger only for what the common one cannot hold
    curve = leakage_curve(torch.tensor(values)[None, None], RADII, grid)
    return AtSize(
        label,
        float(row.sum() ** 2 / (row**2).sum()),
        int((values <= 1e-6 * values.max()).sum()),
        bool(np.abs(row[[0, -1]]).max() <= 1e-6 * np.abs(row).max()),
        tuple(float(value) for value in curve.leakage[0]),
        advice(window, (size, size)),
    )


def sentences(windows: Sequence[AtSize], size: int) -> list[str]:
    """Which window to take at this size and which not, each sentence with the numbers it rests on."""
    lines = [_against(one, size) for one in windows if one.problem is not None]
    good = [one for one in windows if one.problem is None]
    flat = next((one for one in good if one.effective > size - 1e-9), None)
    tapered = [one for one in good if one is not flat]
    for index, r in enumerate(("1/8", "1/4") if tapered else ()):
        best = min(tapered, key=lambda one: one.leakage[index])
        if flat is not None and flat.leakage[index] <= best.leakage[index]:
            lines.append(
                f"Beyond r = {r} none of them helps a flat kernel of this size: L({r}) is {flat.leakage[index]:.3f} "
                f"for {flat.label} and at least {best.leakage[index]:.3f} ({best.label}) for the others."
            )
        else:
            against = "" if flat is None else f", against {flat.leakage[index]:.4f} for {flat.label}"
            lines.append(
                f"Beyond r = {r} {best.label} leaks least of those without such faults: L({r}) = "
                f"{best.leakage[index]:.4f}{against}; {best.effective:.1f} of {size} taps an axis count."
            )
    return lines


def _against(one: AtSize, size: int) -> str:
    """What is wrong with a window, and the way out."""
    dead = f"{one.dead} of {size * size} taps are dead, and " if one.dead else ""
    if "closes" in (one.problem or ""):
        way_out = "a larger kernel or a wider window"
    elif one.ends:
        way_out = "hamming, or this window two taps longer without its ends"
    else:
        way_out = "hamming"
    return f"Not {one.label}: {dead}about {one.effective:.1f} of {size} taps an axis count; take {way_out}."


def report(size: int, names: Sequence[str], out: Path | None, as_json: bool) -> str:
    """The text, or the JSON, for windows of a kernel of this size; their figure goes to `out`."""
    if not 1 <= size <= LARGEST:
        raise InputError(f"size={size}; allowed: a kernel's, 1 to {LARGEST} taps")
    windows = {name: parse_window(name) for name in names or usual(size)}
    table = window_table(windows, size)
    each = [at_size(window, name, size) for name, window in windows.items()]
    advised = sentences(each, size) if size > 1 else ["A kernel of one tap has nothing to taper."]
    if out is not None:
        draw(windows, table, each, advised, out)
    if as_json:
        rows = [row | _plain(one) for row, one in zip(table.rows(), each, strict=True)]
        return json.dumps({"size": size, "sym": True, "windows": rows, "advice": advised}, indent=2)
    header = ["window", "effective taps", f"dead of {size * size}", "L(1/8)", "L(1/4)"]
    cells = [[one.label, f"{one.effective:.2f}", str(one.dead), *(f"{v:.4f}" for v in one.leakage)] for one in each]
    taps = format_table(header, cells, [False, True, True, True, True])
    note = f"Effective taps are an axis's; dead taps and leakage those of a flat {size}x{size} kernel with this window."
    return "\n".join(
        [
            f"Symmetric windows of {size} taps",
            "",
            str(table),
            "",
            taps,
            note,
            "",
            *(fill(line, 110) for line in advised),
        ]
    )


def harris_report(as_json: bool) -> str:
    """The table of Harris's windows, large and periodic."""
    table: WindowTable = window_table(harris_windows(), SIZE)
    if as_json:
        return json.dumps({"size": SIZE, "sym": False, "windows": table.rows()}, indent=2)
    return f"The windows of Harris 1978, periodic, of {SIZE:,} values (docs/harris.md)\n\n{table}"


def draw(
    windows: Mapping[str, Window], table: WindowTable, each: Sequence[AtSize], advised: list[str], out: Path
) -> None:
    """The figure of the windows, or a page with everything, as the ending of `out` says."""
    from windowconv import plots

    if out.suffix not in (".svg", ".png", ".html"):
        raise InputError(f"out={str(out)!r}; allowed: a file that ends in .svg, .png or .html")
    values = {name: window_values(window, (table.size,)) for name, window in windows.items()}
    figure = plots.windows_figure(values)
    if out.suffix == ".html":
        from windowconv.cli.windows_page import page
        from windowconv.report import write

        write(page(table, each, advised, plots.svg(figure)), out)
    elif out.suffix == ".png":
        plots.png(figure, out)
    else:
        replace_file(out, plots.svg(figure).encode())


def _plain(one: AtSize) -> dict[str, Any]:
    leakage = dict(zip(("1/8", "1/4"), one.leakage, strict=True))
    return {"effective_taps": one.effective, "dead_taps": one.dead, "leakage": leakage, "problem": one.problem}
