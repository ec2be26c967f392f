"""The digits of Harris's table, and the cells of it that are not compared.

F. J. Harris, On the use of windows for harmonic analysis with the discrete Fourier transform, Proceedings of the
IEEE 66(1), 51-83, 1978, Table I. No copy of the paper could be opened when this was written: the digits are from a
reader's record, of which public copies confirm a part (noise bandwidth, side lobe and fall-off of eight windows, in
FourierAnalysis.jl, docs/src/tapers.md). So a cell that is left out may be misprinted or misremembered. None of the
digits was made by our code.
"""

from functools import cache

from windowconv.spectra.harris import harris_windows
from windowconv.spectra.merit import WindowFigures, window_figures

COLUMNS = (
    "sidelobe_db",
    "falloff_db",
    "coherent_gain",
    "enbw",
    "width_3db",
    "scalloping_db",
    "worst_case_db",
    "width_6db",
    "overlap_75",
    "overlap_50",
)

DIGITS = """
Rectangle                        |  -13  -6 1.00 1.00 0.89 3.92 3.92 1.21 75.0 50.0
Triangle                         |  -27 -12 0.50 1.33 1.28 1.82 3.07 1.78 71.9 25.0
cos^1                            |  -23 -12 0.64 1.23 1.20 2.10 3.01 1.65 75.5 31.8
cos^2 (Hanning)                  |  -32 -18 0.50 1.50 1.44 1.42 3.18 2.00 65.9 16.7
cos^3                            |  -39 -24 0.42 1.73 1.66 1.08 3.47 2.32 56.7 8.5
cos^4                            |  -47 -30 0.38 1.94 1.86 0.86 3.75 2.59 48.6 4.3
Hamming                          |  -43  -6 0.54 1.36 1.30 1.78 3.10 1.81 70.7 23.5
Riesz                            |  -21 -12 0.67 1.20 1.16 2.22 3.01 1.59 76.5 34.4
Riemann                          |  -26 -12 0.59 1.30 1.26 1.89 3.03 1.74 73.4 27.4
de la Valle-Poussin              |  -53 -24 0.38 1.92 1.82 0.90 3.72 2.55 49.3 5.0
Tukey 0.25                       |  -14 -18 0.88 1.10 1.01 2.96 3.39 1.38 74.1 44.4
Tukey 0.50                       |  -15 -18 0.75 1.22 1.15 2.24 3.11 1.57 72.7 36.4
Tukey 0.75                       |  -19 -18 0.63 1.36 1.31 1.73 3.07 1.80 70.5 25.1
Bohman                           |  -46 -24 0.41 1.79 1.71 1.02 3.54 2.38 54.5 7.4
Poisson 2.00                     |  -19  -6 0.44 1.30 1.21 2.09 3.23 1.69 69.9 27.8
Poisson 3.00                     |  -24  -6 0.32 1.65 1.45 1.46 3.64 2.08 54.8 15.1
Poisson 4.00                     |  -31  -6 0.25 2.08 1.75 1.03 4.21 2.58 40.4 7.4
Hanning-Poisson 0.50             |  -35 -18 0.43 1.61 1.54 1.26 3.33 2.14 61.3 12.6
Hanning-Poisson 1.00             |  -39 -18 0.38 1.73 1.64 1.11 3.50 2.30 56.0 9.2
Hanning-Poisson 2.00             | none -18 0.29 2.02 1.87 0.87 3.94 2.65 44.6 4.7
Cauchy 3.00                      |  -31  -6 0.42 1.48 1.34 1.71 3.40 1.90 61.6 20.2
Cauchy 4.00                      |  -35  -6 0.33 1.76 1.50 1.36 3.83 2.20 48.8 13.2
Cauchy 5.00                      |  -30  -6 0.28 2.06 1.68 1.13 4.28 2.53 38.3 9.0
Gaussian 2.50                    |  -42  -6 0.51 1.39 1.33 1.69 3.14 1.86 67.7 20.0
Gaussian 3.00                    |  -55  -6 0.43 1.64 1.55 1.25 3.40 2.18 57.5 10.6
Gaussian 3.50                    |  -69  -6 0.37 1.90 1.79 0.94 3.73 2.52 47.2 4.9
Dolph-Chebyshev 2.50             |  -50   0 0.53 1.39 1.33 1.70 3.12 1.85 69.6 22.3
Dolph-Chebyshev 3.00             |  -60   0 0.48 1.51 1.44 1.44 3.23 2.01 64.7 16.3
Dolph-Chebyshev 3.50             |  -70   0 0.45 1.62 1.55 1.25 3.35 2.17 60.2 11.9
Dolph-Chebyshev 4.00             |  -80   0 0.42 1.73 1.65 1.10 3.48 2.31 55.9 8.7
Kaiser-Bessel 2.00               |  -46  -6 0.49 1.50 1.43 1.46 3.20 1.99 65.7 16.9
Kaiser-Bessel 2.50               |  -57  -6 0.44 1.65 1.57 1.20 3.38 2.20 59.5 11.2
Kaiser-Bessel 3.00               |  -69  -6 0.40 1.80 1.71 1.02 3.56 2.39 53.9 7.4
Kaiser-Bessel 3.50               |  -82  -6 0.37 1.93 1.83 0.89 3.74 2.57 48.8 4.8
Barcilon-Temes 3.00              |  -53  -6 0.47 1.56 1.49 1.34 3.27 2.07 63.0 14.2
Barcilon-Temes 3.50              |  -58  -6 0.43 1.67 1.59 1.18 3.40 2.23 58.6 10.4
Barcilon-Temes 4.00              |  -68  -6 0.41 1.77 1.69 1.05 3.52 2.36 54.4 7.6
Exact Blackman                   |  -51  -6 0.46 1.57 1.52 1.33 3.29 2.13 62.7 14.0
Blackman                         |  -58 -18 0.42 1.73 1.68 1.10 3.47 2.35 56.7 9.0
Minimum 3-sample Blackman-Harris |  -67  -6 0.42 1.71 1.66 1.13 3.45 1.81 57.2 9.6
Minimum 4-sample Blackman-Harris |  -92  -6 0.36 2.00 1.90 0.83 3.85 2.72 46.0 3.8
61 dB 3-sample Blackman-Harris   |  -61  -6 0.45 1.61 1.56 1.27 3.34 2.19 61.0 12.6
74 dB 4-sample Blackman-Harris   |  -74  -6 0.40 1.79 1.74 1.03 3.56 2.44 53.9 7.4
4-sample Kaiser-Bessel 3.00      |  -69  -6 0.40 1.80 1.74 1.02 3.56 2.44 53.9 7.4
"""

PRINTED = {
    label.strip(): dict(zip(COLUMNS, cells.split(), strict=True))
    for label, cells in (line.split("|") for line in DIGITS.strip().splitlines())
}

_ALL_BUT_FALLOFF = [column for column in COLUMNS if column != "falloff_db"]
_WIDTHS = ["width_3db", "width_6db"]

# Reason -> row -> columns. The test sees to it that every one of these cells disagrees, and no other.
LEFT_OUT: dict[str, dict[str, list[str]]] = {
    "known misprints: Nuttall, Some windows with very good sidelobe behavior, IEEE Transactions ASSP 29(1), 1981, "
    "Table II, has -31.47 and -70.83 dB": {
        "cos^2 (Hanning)": ["sidelobe_db"],
        "Minimum 3-sample Blackman-Harris": ["sidelobe_db"],
    },
    "the printed gains, widths and losses fit a Gaussian that is 4 % wider, 50 values of exp(-(alpha n / 26)^2 / 2)": {
        "Gaussian 2.50": _ALL_BUT_FALLOFF,
        "Gaussian 3.00": [column for column in _ALL_BUT_FALLOFF if column != "sidelobe_db"],
        "Gaussian 3.50": _ALL_BUT_FALLOFF,
    },
    "the printed row belongs to another window (the coefficients' mean is 0.43, not 0.46)": {
        "Exact Blackman": _ALL_BUT_FALLOFF,
    },
    "a Dolph-Chebyshev window's side lobes are level only when it is symmetric; the printed values are the design's": {
        f"Dolph-Chebyshev {alpha}": ["sidelobe_db"] for alpha in ("2.50", "3.00", "3.50", "4.00")
    },
    "the windows have a kink in the middle, so they fall off at 12 dB/octave": {
        f"Hanning-Poisson {alpha}": ["falloff_db"] for alpha in ("0.50", "1.00", "2.00")
    },
    "a shoulder of the main lobe: by our definition (a maximum beyond a minimum) Cauchy 4 has its first side lobe "
    "there, and Hanning-Poisson 1 none": {
        "Cauchy 4.00": ["sidelobe_db"],
        "Hanning-Poisson 1.00": ["sidelobe_db"],
    },
    "printed widths are 0.005 to 0.06 bins too large, as if read off a coarse grid": {
        "Triangle": ["width_6db"],
        "cos^1": _WIDTHS,
        "cos^3": ["width_6db"],
        "cos^4": ["width_3db"],
        "Riemann": _WIDTHS,
        "Tukey 0.25": ["width_6db"],
        "Tukey 0.75": ["width_3db"],
        "Bohman": ["width_3db"],
        "Hanning-Poisson 0.50": ["width_3db"],
        "Hanning-Poisson 2.00": ["width_3db"],
        "Blackman": _WIDTHS,
        "Minimum 3-sample Blackman-Harris": ["width_3db"],
        "Minimum 4-sample Blackman-Harris": ["width_6db"],
        "61 dB 3-sample Blackman-Harris": _WIDTHS,
        "74 dB 4-sample Blackman-Harris": _WIDTHS,
        "4-sample Kaiser-Bessel 3.00": _WIDTHS,
    },
    "no known reason": {
        "Minimum 3-sample Blackman-Harris": ["width_6db"],
        "Hamming": ["scalloping_db", "overlap_50"],
        "Tukey 0.25": ["worst_case_db"],
        "Poisson 2.00": ["coherent_gain", "enbw", "scalloping_db", "worst_case_db", "overlap_50"],
        "Poisson 3.00": ["scalloping_db", "overlap_50"],
        "Poisson 4.00": ["scalloping_db", "overlap_50"],
        "Hanning-Poisson 2.00": ["worst_case_db"],
        "Cauchy 3.00": ["scalloping_db", "overlap_50"],
        "Cauchy 4.00": ["enbw", "width_3db", "scalloping_db", "width_6db", "overlap_50"],
        "Cauchy 5.00": [column for column in _ALL_BUT_FALLOFF if column not in ("overlap_75", "worst_case_db")],
        "Dolph-Chebyshev 2.50": ["overlap_75", "overlap_50"],
        "Dolph-Chebyshev 3.00": ["overlap_75"],
        "Dolph-Chebyshev 3.50": ["overlap_75", "overlap_50"],
        "Kaiser-Bessel 2.00": ["scalloping_db"],
        "Barcilon-Temes 3.00": ["sidelobe_db", "overlap_50"],
        "Barcilon-Temes 3.50": ["sidelobe_db", "overlap_50"],
        "Barcilon-Temes 4.00": ["sidelobe_db", "worst_case_db", "overlap_75"],
        "61 dB 3-sample Blackman-Harris": ["sidelobe_db"],
        "4-sample Kaiser-Bessel 3.00": ["sidelobe_db"],
    },
}

LARGE, SMALL = 4096, {"overlap_75": 52}  # 50 values, or 52 where a quarter of them must be whole


def left_out() -> dict[tuple[str, str], str]:
    """(row, column) -> reason."""
    return {(row, c): reason for reason, rows in LEFT_OUT.items() for row, columns in rows.items() for c in columns}


def computed(row: str, column: str) -> tuple[float | None, float | None]:
    """The figure of this window at 4096 values and at 50, which is what some rows are printed for."""
    large, small = (getattr(_figures(row, size), column) for size in (LARGE, SMALL.get(column, 50)))
    return large, small


def agreement(row: str, column: str) -> str | None:
    """How the printed cell agrees with ours: rounded or cut off, at 4096 values or else at 50; None if it does not."""
    printed = PRINTED[row][column]
    for size, value in zip((LARGE, 50), computed(row, column), strict=True):
        if printed == "none" or value is None:
            if printed == "none" and value is None:
                return f"rounded at {size}"
            continue
        unit = 10.0 ** -len(printed.partition(".")[2])
        if abs(value - float(printed)) <= (0.5 + 1e-6) * unit:
            return f"rounded at {size}"
        if 0 <= abs(value) - abs(float(printed)) < unit:
            return f"cut off at {size}"
    return None


def left_out_table() -> str:
    """The cells that are left out, printed and computed, in Markdown for docs/harris.md."""
    lines = []
    for reason, rows in LEFT_OUT.items():
        lines += [f"{reason[0].upper()}{reason[1:]}:", "", "| row | figure | printed | computed |", "|---|---|---|---|"]
        for row, columns in rows.items():
            for column in columns:
                value = computed(row, column)[0]
                places = len(PRINTED[row][column].partition(".")[2]) + 1
                shown = "none" if value is None else f"{value:.{places}f}" if column != "falloff_db" else str(value)
                lines.append(f"| {row} | {column} | {PRINTED[row][column]} | {shown} |")
        lines.append("")
    return "\n".join(lines).strip()


@cache
def _figures(row: str, size: int) -> WindowFigures:
    return window_figures(harris_windows()[row](size))
