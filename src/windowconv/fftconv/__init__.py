"""Large-kernel convolution through the frequency domain: exact, at a cost that hardly depends on the kernel."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windowconv.fftconv.convolution import fft_conv1d, fft_conv2d, fft_conv3d
    from windowconv.fftconv.settings import set_keep_spectra
    from windowconv.fftconv.workspace import release_workspace, set_workspace_limit

_HOME = {
    "fft_conv1d": "convolution",
    "fft_conv2d": "convolution",
    "fft_conv3d": "convolution",
    "release_workspace": "workspace",
    "set_keep_spectra": "settings",
    "set_workspace_limit": "workspace",
}
__all__ = [
    "fft_conv1d",
    "fft_conv2d",
    "fft_conv3d",
    "release_workspace",
    "set_keep_spectra",
    "set_workspace_limit",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'windowconv.fftconv' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"windowconv.fftconv.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
