"""Windows side by side: a table of their figures of merit at one size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from windowconv.errors import InputError
from windowconv.spectra.merit import WindowFigures, window_figures
from windowconv.tables import Shown, TextTable
from windowconv.windows import Window, WindowLike, as_size, as_window, window_values

COLUMNS = {
    "sidelobe_db": ("side lobe", "z.1f"),
    "falloff_db": ("fall-off", "d"),
    "islr_db": ("ISLR", "z.1f"),
    "coherent_gain": ("gain", "z.3f"),
    "enbw": ("ENBW", "z.2f"),
    "width_3db": ("3 dB", "z.2f"),
    "width_6db": ("6 dB", "z.2f"),
    "width_null": ("null", "z.2f"),
    "scalloping_db": ("scalloping", "z.2f"),
    "worst_case_db": ("worst case", "z.2f"),
    "overlap_75": ("75 %", "z.1f"),
    "overlap_50": ("50 %", "z.1f"),
}
UNITS = {
    "coherent_gain": "Levels and losses in dB, ENBW and widths in bins",
    "falloff_db": "fall-off in dB/octave",
    "overlap_50": "correlation at overlaps in %",
}


@dataclass(frozen=True)
class WindowTable(Shown):
    """The figures of merit of several windows at one size; `str()` is a table in plain text.

    Attributes:
        size: N of all of them.
        sym: whether names meant symmetric windows, else periodic ones.
        labels: one label per row.
        figures: the figures of each row.
    """

    size: int
    sym: bool
    labels: tuple[str, ...]
    figures: tuple[WindowFigures, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per row: `window`, its label, and the fields of `WindowFigures`; JSON-able."""
        pairs = zip(self.labels, self.figures, strict=True)
        return [{"window": label, **asdict(figures)} for label, figures in pairs]

    def shown(self) -> list[str]:
        """The fields that at least one of the windows has, in the order of the table."""
        return [key for key in COLUMNS if any(getattr(one, key) is not None for one in self.figures)]

    def units(self) -> str:
        """One line that says what the columns are measured in."""
        return ", ".join(words for key, words in UNITS.items() if key in self.shown()) + "."

    def parts(self) -> list[TextTable | str]:
        shown = self.shown()
        header = ["window", *(COLUMNS[key][0] for key in shown)]
        rows = [
            [row["window"], *("-" if row[key] is None else format(row[key], COLUMNS[key][1]) for key in shown)]
            for row in self.rows()
        ]
        return [TextTable(header, rows, [False] + [True] * len(shown)), self.units()]


def window_table(names: Sequence[WindowLike] | Mapping[str, WindowLike], size: int, sym: bool = False) -> WindowTable:
    """The figures of merit of several windows at one size.

    Args:
        names: windows as `get_window` takes them (names, tuples, callables, values, `Window`s), or a mapping
            from labels to them. Without labels a callable goes by its name.
        size: taps.
        sym: symmetric, as kernels have them; the default, periodic, is that of transforms and of Harris's
            table. It applies to names and tuples; a `Window` has its own.

    Raises:
        InputError: no windows, or one string; a window that cannot be made at this size, or as
            `window_figures`, naming the window.

    >>> print(window_table(["boxcar", "hamming"], 7, sym=True))
    window   side lobe   ISLR   gain  ENBW  3 dB  6 dB  null  scalloping  worst case
    boxcar       -12.7  -10.0  1.000  1.00  0.89  1.22  2.00        3.85        3.85
    hamming      -32.4  -35.6  0.474  1.52  1.44  2.02  5.54        1.45        3.26
    Levels and losses in dB, ENBW and widths in bins.
    """
    if isinstance(names, str) or not names:
        raise InputError(f"names={names!r}; allowed: a list of one or more windows, or a mapping from labels to them")
    if len(as_size(size)) != 1:
        raise InputError(f"size={size!r}; allowed: an int (windows of one axis)")
    given = names.items() if isinstance(names, Mapping) else ((None, window) for window in names)
    labels, figures = [], []
    for label, window in given:
        spec = as_window(window, size) if isinstance(window, Window) else as_window(window, size, sym=sym)
        labels.append(label or _label(window, spec))
        values = window_values(spec, as_size(size))
        try:
            figures.append(window_figures(values))
        except InputError as error:
            raise InputError(f"window={labels[-1]} at size {size}: {error}") from None
    return WindowTable(size, sym, tuple(labels), tuple(figures))


def _label(window: WindowLike, spec: Window) -> str:
    name = getattr(window, "__name__", None) if callable(window) else None
    return name or str(spec).removesuffix(" periodic")
