"""A setting of the whole process: whether spectra are kept for the backward pass."""

from __future__ import annotations

from windowconv.errors import InputError

_keep = False


def set_keep_spectra(keep: bool) -> None:
    """Set whether a forward pass keeps its input's spectrum for the weight's gradient.

    A kept spectrum saves the backward pass one transform in five; with 7x7 kernels it takes one to two times the
    input's memory. By default it is computed again. Results are the same.

    Args:
        keep: True keeps spectra, False computes them again.

    Raises:
        InputError: `keep` is not a bool.
    """
    global _keep
    if not isinstance(keep, bool):
        raise InputError(f"keep={keep!r}; allowed: True or False")
    _keep = keep


def keeps_spectra() -> bool:
    """The last value given to `set_keep_spectra`; False at first."""
    return _keep
