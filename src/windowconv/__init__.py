"""Windowed convolutions for PyTorch: large kernels, windowed against spectral leakage.

The public names load when they are first used (PEP 562), so that `import windowconv` takes no time.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "algorithms": ("algorithm_report", "set_algorithm"),
    "checkpoint": ("load_weights", "save_weights"),
    "conversion": ("convert",),
    "effective": ("effective_weight", "register_weight"),
    "errors": ("InputError", "WindowWarning"),
    "fftconv.convolution": ("fft_conv1d", "fft_conv2d", "fft_conv3d"),
    "folding": ("fold", "trim_report"),
    "functional": (
        "apply_window",
        "windowed_conv1d",
        "windowed_conv2d",
        "windowed_conv3d",
        "windowed_conv_transpose1d",
        "windowed_conv_transpose2d",
        "windowed_conv_transpose3d",
    ),
    "inference": ("prepare_inference", "release_inference"),
    "layers": (
        "WindowedConv1d",
        "WindowedConv2d",
        "WindowedConv3d",
        "WindowedConvTranspose1d",
        "WindowedConvTranspose2d",
        "WindowedConvTranspose3d",
    ),
    "learnable": ("LearnableWindow",),
    "plan": ("plan_conversion",),
    "model_summary": ("summary",),
    "spectra.network": ("leakage",),
    "windows": ("Window", "as_window", "get_window"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = [*_HOME]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'windowconv' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"windowconv.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
