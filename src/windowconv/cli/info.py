"""What `windowconv info` says: one line or table for each thing that decides how a convolution is carried out."""

from __future__ import annotations

import platform

import torch

import windowconv
from windowconv.fftconv import calibration
from windowconv.fftconv.cost import SHARES
from windowconv.fftconv.native import library
from windowconv.fftconv.rates import Rates
from windowconv.fftconv.workspace import workspace_limit
from windowconv.tables import format_table


def report(*, calibrate: bool = False) -> str:
    """The whole text; with `calibrate` the machine is measured first."""
    measured = calibration.calibrate() if calibrate else None
    lines = [
        f"windowconv       {windowconv.__version__}, torch {torch.__version__}, Python {platform.python_version()}",
        f"processor        {calibration.key()['processor']}, {torch.get_num_threads()} threads used by torch",
        f"native operator  {native()}",
        f"work space       {workspace_limit() / 2**20:,.0f} MiB at most",
        f"calibration      {state(measured)}",
    ]
    table = factors(measured or (calibration.kept() if calibration.enabled() else None))
    return "\n".join([*lines, "", table] if table else lines)


def native() -> str:
    """The instruction set in use and those there are, or why there is none."""
    opened = library.library()
    if opened is None:
        return f"not used: {library.why_not()}; PyTorch's own operations are used instead"
    available = opened.wc_available().decode().replace(" ", ", ")
    used = library.instructions()
    return f"{'avx512, with amx for bfloat16,' if used == 'amx' else used} in use; this machine has {available}"


def state(measured: Rates | None) -> str:
    """Whether the machine is measured, and where that is kept; `measured` is what has just been measured, if so."""
    if measured is None and not calibration.enabled():
        return f"off ({calibration.OFF}=0): the built-in rates decide"
    known, path = measured or calibration.kept(), calibration.cache_file()
    if known is None:
        return "not measured yet: done when it is first needed, or by windowconv info --calibrate"
    if not known.factors:
        return "the machine is too busy to be measured: the built-in rates decide"
    when = "on" if measured is None else "measured just now"
    if path is None:
        return f"{when}, kept nowhere since there is no home folder"
    return f"{when}, kept in {path}" if calibration.read(path) else f"{when}, but {path} cannot be written"


def factors(rates: Rates | None) -> str:
    """The factors as a table; empty without any."""
    if rates is None or not rates.factors:
        return ""
    header = ["times the built-in cost of", *SHARES]
    rows = [[name, *(f"{group[share]:.2f}" for share in SHARES)] for name, group in sorted(rates.factors.items())]
    return format_table(header, rows, [False] + [True] * len(SHARES))
