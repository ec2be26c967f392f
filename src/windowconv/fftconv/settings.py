"""What holds for the whole process: whether spectra are kept for the backward pass."""

from __future__ import annotations

from windowconv.errors import InputError

_keep = False


def set_keep_spectra(keep: bool) -> None:
    """Whether a forward pass keeps its input's spectrum, for the weight's gradient.

    Kept spectra save the backward pass one transform in five and cost memory, at 7x7 kernels one to two times the
    input's; recomputed ones (the default) cost none. Results are the same.

    Raises:
        InputError: `keep` is no bool.
    """
    global _keep
    if not isinstance(keep, bool):
        raise InputError(f"keep={keep!r}; allowed: True or False")
    _keep = keep


def keeps_spectra() -> bool:
    """What `set_keep_spectra` was given last; False at first."""
    return _keep
