"""Numbers about spectra, of windows, kernels, layers and networks: pure functions, in float64."""

from windowconv.spectra.curve import LeakageCurve, leakage_curve, power_spectrum
from windowconv.spectra.features import FeatureSpectra, LayerSpectrum, feature_spectra
from windowconv.spectra.gratings import grating_frequencies, grating_images
from windowconv.spectra.heat_map import FourierHeatMap, fourier_basis, fourier_heat_map
from windowconv.spectra.impulse import impulse_response
from windowconv.spectra.kernel_lobes import OwnLobe, own_lobe
from windowconv.spectra.kernels import (
    KernelFigures,
    effective_support,
    frequency_response,
    kernel_figures,
    support_curve,
)
from windowconv.spectra.layer_shape import KernelShape, kernel_shape
from windowconv.spectra.merit import WindowFigures, window_figures
from windowconv.spectra.merit_table import WindowTable, window_table
from windowconv.spectra.network import LayerLeakage, NetworkLeakage, leakage
from windowconv.spectra.noise import noise_curve
from windowconv.spectra.profile import rms_profile, shaped_noise, window_power
from windowconv.spectra.receptive_field import ReceptiveField, effective_receptive_field
from windowconv.spectra.recorder import LeakageRecorder
from windowconv.spectra.responses import OutputEnergy, Selectivity, selectivity
from windowconv.spectra.shift import ShiftConsistency, shift_consistency
from windowconv.spectra.subsampling import Aliasing, LayerAliasing, aliasing
from windowconv.spectra.taps import central_energy, edge_energy, effective_side, participation_ratio
from windowconv.spectra.window_effects import WindowEffect, window_effects

__all__ = [
    "Aliasing",
    "FeatureSpectra",
    "FourierHeatMap",
    "KernelFigures",
    "KernelShape",
    "LayerAliasing",
    "LayerLeakage",
    "LayerSpectrum",
    "LeakageCurve",
    "LeakageRecorder",
    "NetworkLeakage",
    "OutputEnergy",
    "OwnLobe",
    "ReceptiveField",
    "Selectivity",
    "ShiftConsistency",
    "WindowEffect",
    "WindowFigures",
    "WindowTable",
    "aliasing",
    "central_energy",
    "edge_energy",
    "effective_receptive_field",
    "effective_side",
    "effective_support",
    "feature_spectra",
    "fourier_basis",
    "fourier_heat_map",
    "frequency_response",
    "grating_frequencies",
    "grating_images",
    "impulse_response",
    "kernel_figures",
    "kernel_shape",
    "leakage",
    "leakage_curve",
    "noise_curve",
    "own_lobe",
    "participation_ratio",
    "power_spectrum",
    "rms_profile",
    "selectivity",
    "shaped_noise",
    "shift_consistency",
    "support_curve",
    "window_effects",
    "window_figures",
    "window_power",
    "window_table",
]
