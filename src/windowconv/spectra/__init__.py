"""Numbers about the spectra of kernels: pure functions on tensors, in float64."""

from windowconv.spectra.features import FeatureSpectra, LayerSpectrum, feature_spectra
from windowconv.spectra.gratings import grating_frequencies, grating_images
from windowconv.spectra.heat_map import FourierHeatMap, fourier_basis, fourier_heat_map
from windowconv.spectra.leakage import LeakageCurve, leakage_curve, power_spectrum
from windowconv.spectra.merit import WindowFigures, window_figures
from windowconv.spectra.merit_table import WindowTable, window_table
from windowconv.spectra.receptive_field import ReceptiveField, effective_receptive_field
from windowconv.spectra.responses import OutputEnergy, Selectivity, selectivity
from windowconv.spectra.shift import ShiftConsistency, shift_consistency
from windowconv.spectra.subsampling import Aliasing, LayerAliasing, aliasing

__all__ = [
    "Aliasing",
    "FeatureSpectra",
    "FourierHeatMap",
    "LayerAliasing",
    "LayerSpectrum",
    "LeakageCurve",
    "OutputEnergy",
    "ReceptiveField",
    "Selectivity",
    "ShiftConsistency",
    "WindowFigures",
    "WindowTable",
    "aliasing",
    "effective_receptive_field",
    "feature_spectra",
    "fourier_basis",
    "fourier_heat_map",
    "grating_frequencies",
    "grating_images",
    "leakage_curve",
    "power_spectrum",
    "selectivity",
    "shift_consistency",
    "window_figures",
    "window_table",
]
