"""Subsampling without aliasing: blurred pooling, pooling in the frequency domain, and models that subsample with them.

The public names load when they are first used, as the package's own.
"""

import importlib
from typing import Any

_HOMES = {
    "filters": ("blur_taps",),
    "blurring": ("blur",),
    "pooling": (
        "BlurPool1d",
        "BlurPool2d",
        "BlurPool3d",
        "MaxBlurPool1d",
        "MaxBlurPool2d",
        "MaxBlurPool3d",
    ),
    "upsampling": ("BlurUpsample1d", "BlurUpsample2d", "BlurUpsample3d"),
    "frequency": ("FrequencyLowPassPool", "frequency_low_pass"),
    "model": ("antialias", "plan_antialias", "undo_antialias"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = [*_HOME]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'windowconv.antialias' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"windowconv.antialias.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
