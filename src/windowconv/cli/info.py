"""The text of `windowconv info`: what decides how a convolution is computed on this machine."""

from __future__ import annotations

import platform

import torch

import windowconv
from windowconv.fftconv import calibration, fft_conv2d
from windowconv.fftconv.cost import SHARES
from windowconv.fftconv.native import library
from windowconv.fftconv.rates import Rates
from windowconv.fftconv.workspace import workspace_limit
from windowconv.tables import format_table


def report(*, calibrate: bool = False) -> str:
    """The whole text; with `calibrate` the machine is measured first."""
    measured = calibration.calibrate(fft_conv2d) if calibrate else None
    lines = [
        f"windowconv       {windowconv.__version__}, torch {torch.__version__}, Python {platform.python_version()}",
        f"processor        {calibration.key()['processor']}; torch uses {torch.get_num_threads()} threads",
        f"native operator  {native_state()}",
        f"workspace        at most {workspace_limit() / 2**20:,.0f} MiB",
        f"calibration      {calibration_state(measured)}",
    ]
    table = factors(measured or (calibration.kept() if calibration.enabled() else None))
    return "\n".join([*lines, "", table] if table else lines)


def native_state() -> str:
    """The instruction set in use and those available, or why the native operator is not used."""
    opened = library.library()
    if opened is None:
        return f"not used: {library.why_not()}; PyTorch operations are used instead"
    available = opened.wc_available().decode().replace(" ", ", ")
    used = library.instructions()
    return f"{'avx512, with amx for bfloat16' if used == 'amx' else used} (available: {available})"


def calibration_state(measured: Rates | None) -> str:
    """Whether this machine has been measured, and where the result is stored.

    Args:
        measured: the rates measured just now, or None.
    """
    if measured is None and not calibration.enabled():
        return f"off ({calibration.OFF}=0); built-in rates are used"
    rates, path = measured or calibration.kept(), calibration.cache_file()
    if rates is None:
        return "not measured yet; runs on first use, or with windowconv info --calibrate"
    if not rates.factors:
        return "the machine is too busy to measure; built-in rates are used"
    when = "on" if measured is None else "measured just now"
    if path is None:
        return f"{when}; not stored, since there is no home folder"
    if calibration.read(path):
        return f"{when}; stored in {path}"
    return f"{when}; not stored, since {path} cannot be written"


def factors(rates: Rates | None) -> str:
    """The measured factors as a table; empty without any."""
    if rates is None or not rates.factors:
        return ""
    header = ["measured / built-in cost", *SHARES]
    rows = [[name, *(f"{group[share]:.2f}" for share in SHARES)] for name, group in sorted(rates.factors.items())]
    return format_table(header, rows, [False] + [True] * len(SHARES))
