"""Seconds for a unit of each kind of work (`cost`): built in, times factors that a machine was measured for.

A row of rates holds for one way to convolve ("direct", or an implementation: "native", "reference"), one dtype, one
family of problems and one phase ("forward", or "step": forward and both gradients). Factors hold for a way and a
dtype, and depthwise or not: one for each of `SHARES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Literal

import numpy as np
import torch

from windowconv.fftconv.builtin_rates import ROWS
from windowconv.fftconv.cost import SHARES, Counts, Family, direct_counts, family, fft_counts, total
from windowconv.fftconv.native import convolution as native
from windowconv.fftconv.native import library
from windowconv.fftconv.problem import Problem

Way = Literal["direct", "native", "reference"]
Phase = Literal["forward", "step"]
Factors = Mapping[str, float]

PULL = 0.3  # how much three factors that differ cost, against a probe that is off by as much
FURTHEST = 2.0  # a factor from all three's mean
UNLIMITED = 1 << 62


@dataclass(frozen=True, eq=False)
class Rates:
    """The built-in rates times factors by `group`; those of other groups follow float32's of the same way."""

    factors: Mapping[str, Factors] = field(default_factory=dict)

    def seconds(self, problem: Problem, dtype: torch.dtype, way: Way, training: bool, limit: int = UNLIMITED) -> float:
        """What a problem is expected to take, in seconds; infinite if `limit` bytes of work space are too few."""
        phase: Phase = "step" if training else "forward"
        counts = counts_of(problem, dtype, way, phase, limit)
        return inf if counts is None else total(counts, self.row(way, name_of(dtype), family(problem), phase))

    def row(self, way: Way, dtype: str, family: Family, phase: Phase) -> Mapping[str, float]:
        """The rates to multiply counts with; `dtype` as in "float32"."""
        row = _builtin(way, dtype, family, phase)
        dense = self.factors.get(group(way, dtype, "dense")) or self.factors.get(group(way, "float32", "dense"), {})
        factors = self.factors.get(group(way, dtype, family), dense)
        return {kind: rate * factors.get(share_of(kind), 1.0) for kind, rate in row.items()}


def name_of(dtype: torch.dtype) -> str:
    """The name of a dtype in rows and factors.

    >>> name_of(torch.float32)
    'float32'
    """
    return str(dtype).removeprefix("torch.")


def way_of(dtype: torch.dtype) -> Way:
    """The implementation that carries out plans for CPU tensors of a dtype."""
    return "native" if native.supports(torch.device("cpu"), dtype) else "reference"


def counts_of(problem: Problem, dtype: torch.dtype, way: Way, phase: Phase, limit: int = UNLIMITED) -> Counts | None:
    """A problem's work; None if `limit` bytes of work space are too few."""
    training = phase == "step"
    if way == "direct":
        return direct_counts(problem, dtype.itemsize, training)
    return fft_counts(problem, max(4, dtype.itemsize), training, lanes_of(way), limit)


def lanes_of(way: Way) -> int:
    """In blocks of how many channels an implementation computes."""
    return library.library().wc_lanes() if way == "native" else 1


def group(way: Way, dtype: str, family: Family) -> str:
    """The name of the factors that a row is multiplied with."""
    return f"{way} {dtype}" + (" depthwise" if family == "depthwise" else "")


def share_of(kind: str) -> str:
    """Which of `SHARES` a kind of work belongs to."""
    return next(share for share, kinds in SHARES.items() if kind in kinds)


def _builtin(way: Way, dtype: str, family: Family, phase: Phase) -> Mapping[str, float]:
    """A row; of a family that was not measured in this dtype the dense one."""
    exact = ROWS.get((way, dtype, family, phase))
    return exact if exact is not None else ROWS[way, dtype, "dense", phase]


def known(way: Way, dtype: str) -> bool:
    """Whether there are rates for a dtype."""
    return (way, dtype, "dense", "step") in ROWS


@dataclass(frozen=True)
class Probe:
    """A measured problem: its counts, the built-in rates for them, and the seconds that it took."""

    counts: Counts
    row: Mapping[str, float]
    seconds: float


def fit_factors(probes: Iterable[Probe]) -> Factors:
    """The factors that explain measured seconds best.

    Minimises sum_p (sum_s f_s share_ps / seconds_p - 1)^2 + PULL sum_s (f_s - mean)^2, where share_ps is what share s
    of probe p takes by the built-in rates, and mean the median of measured over built-in.
    """
    probes = list(probes)
    shares = np.array([[_share(probe, kinds) for kinds in SHARES.values()] for probe in probes])
    seconds = np.array([probe.seconds for probe in probes])
    mean = float(np.median(seconds / shares.sum(1)))
    pull = PULL**0.5 * np.eye(len(SHARES)) / mean
    equations = np.concatenate([shares / seconds[:, None], pull])
    wanted = np.concatenate([np.ones(len(probes)), pull.sum(1) * mean])
    found = np.linalg.lstsq(equations, wanted, rcond=None)[0]
    return dict(zip(SHARES, np.clip(found, mean / FURTHEST, mean * FURTHEST).round(4).tolist(), strict=True))


def _share(probe: Probe, kinds: tuple[str, ...]) -> float:
    return total({kind: count for kind, count in probe.counts.items() if kind in kinds}, probe.row)
