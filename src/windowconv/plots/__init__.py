"""Figures over the library's numbers, as matplotlib `Figure`s; matplotlib is imported when one is drawn.

Every function takes plain numbers (arrays, lists or tensors on any device), never touches pyplot, and
answers what it cannot draw (nothing, NaN, wrong shapes) with an `InputError`. `svg`, `pdf` and `png` turn a
figure into a file.
"""

from .arms import accuracy_by_arm, leakage_by_layer, leakage_curves, learning_curves
from .attacks import (
    accuracy_differences,
    adversarial_gallery,
    distance_distributions,
    perturbation_spectra,
    robust_accuracy,
)
from .colours import arm_colours
from .export import pdf, png, svg
from .figure_files import FigureFormat, figure_files
from .filters import kernel_responses, kernels
from .frequencies import feature_spectra, new_energy, response_curves, selectivity_curves
from .gallery import curves_by_size, kernel_gallery, leakage_by_depth, leakage_by_epoch
from .maps import heat_map, heat_map_difference, receptive_field
from .profiles import accuracy_by_kernel_size, kernel_profiles
from .robustness import error_curves, picture_sheet
from .windows import window_figure, windows_figure

__all__ = [
    "FigureFormat",
    "accuracy_by_arm",
    "accuracy_by_kernel_size",
    "accuracy_differences",
    "adversarial_gallery",
    "arm_colours",
    "curves_by_size",
    "distance_distributions",
    "error_curves",
    "feature_spectra",
    "figure_files",
    "heat_map",
    "heat_map_difference",
    "kernel_gallery",
    "kernel_profiles",
    "kernel_responses",
    "kernels",
    "leakage_by_depth",
    "leakage_by_epoch",
    "leakage_by_layer",
    "leakage_curves",
    "learning_curves",
    "new_energy",
    "pdf",
    "perturbation_spectra",
    "picture_sheet",
    "png",
    "receptive_field",
    "response_curves",
    "robust_accuracy",
    "selectivity_curves",
    "svg",
    "window_figure",
    "windows_figure",
]
