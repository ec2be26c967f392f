"""Numbers about the spectra of kernels: pure functions on tensors, in float64."""

from windowconv.spectra.leakage import LeakageCurve, leakage_curve, power_spectrum
from windowconv.spectra.merit import WindowFigures, window_figures
from windowconv.spectra.merit_table import WindowTable, window_table

__all__ = [
    "LeakageCurve",
    "WindowFigures",
    "WindowTable",
    "leakage_curve",
    "power_spectrum",
    "window_figures",
    "window_table",
]
