"""Seconds for a unit of each kind of work (`cost`): built-in rates times the factors measured on a machine.

A row of rates is for one method ("direct", or an implementation of "fft": "native", "reference"), one dtype, one family
of problems and one phase ("forward", or "step": forward and both gradients). Factors are for a method and a dtype,
depthwise or not: one factor for each of `SHARES`.
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

Method = Literal["direct", "native", "reference"]
Phase = Literal["forward", "step"]
Factors = Mapping[str, float]

PULL = 0.3  # the penalty on factors that differ from their mean, against the error of one probe
FURTHEST = 2.0  # the largest ratio of a factor to the mean of the three
UNLIMITED = 1 << 62


@dataclass(frozen=True, eq=False)
class Rates:
    """The built-in rates times factors by `group`; a group without factors has those of float32 by the same method."""

    factors: Mapping[str, Factors] = field(default_factory=dict)

    def seconds(
        self, problem: Problem, dtype: torch.dtype, method: Method, training: bool, limit: int = UNLIMITED
    ) -> float:
        """The time that a problem is expected to take; infinite if it needs more than `limit` bytes of work space."""
        phase: Phase = "step" if training else "forward"
        counts = counts_of(problem, dtype, method, phase, limit)
        return inf if counts is None else total(counts, self.row(method, name_of(dtype), family(problem), phase))

    def row(self, method: Method, dtype: str, family: Family, phase: Phase) -> Mapping[str, float]:
        """Seconds for a unit of each kind of work; `dtype` as in "float32"."""
        row = _builtin(method, dtype, family, phase)
        dense = self.factors.get(group(method, dtype, "dense")) or self.factors.get(
            group(method, "float32", "dense"), {}
        )
        factors = self.factors.get(group(method, dtype, family), dense)
        return {kind: rate * factors.get(share_of(kind), 1.0) for kind, rate in row.items()}


def name_of(dtype: torch.dtype) -> str:
    """The name of a dtype in rows and factors.

    >>> name_of(torch.float32)
    'float32'
    """
    return str(dtype).removeprefix("torch.")


def implementation_name(dtype: torch.dtype) -> Method:
    """The implementation that `execution` takes for CPU tensors of a dtype."""
    return "native" if native.supports(torch.device("cpu"), dtype) else "reference"


def counts_of(
    problem: Problem, dtype: torch.dtype, method: Method, phase: Phase, limit: int = UNLIMITED
) -> Counts | None:
    """A problem's work; None if it needs more than `limit` bytes of work space."""
    training = phase == "step"
    if method == "direct":
        return direct_counts(problem, dtype.itemsize, training)
    return fft_counts(problem, max(4, dtype.itemsize), training, lanes_of(method), limit)


def lanes_of(method: Method) -> int:
    """Channels in a block of an implementation, which computes whole blocks."""
    return library.library().wc_lanes() if method == "native" else 1


def group(method: Method, dtype: str, family: Family) -> str:
    """The name of the factors that multiply a row."""
    return f"{method} {dtype}" + (" depthwise" if family == "depthwise" else "")


def share_of(kind: str) -> str:
    """Which of `SHARES` a kind of work belongs to."""
    return next(share for share, kinds in SHARES.items() if kind in kinds)


def _builtin(method: Method, dtype: str, family: Family, phase: Phase) -> Mapping[str, float]:
    """A row; the dense one for a family that has none in this dtype."""
    exact = ROWS.get((method, dtype, family, phase))
    return exact if exact is not None else ROWS[method, dtype, "dense", phase]


def has_rates(method: Method, dtype: str) -> bool:
    """Whether there are built-in rates for a dtype."""
    return (method, dtype, "dense", "step") in ROWS


@dataclass(frozen=True)
class Probe:
    """A measured problem: its counts of work, the built-in rates for them, and the measured seconds."""

    counts: Counts
    row: Mapping[str, float]
    seconds: float


def fit_factors(probes: Iterable[Probe]) -> Factors:
    """The factors that explain the measured seconds best, by ridge regression towards their mean.

    Minimises sum_p (sum_s f_s share_ps / seconds_p - 1)^2 + PULL sum_s (f_s / mean - 1)^2, where share_ps is the
    seconds of share s in probe p by the built-in rates, and mean the median of measured over predicted seconds. Each
    factor is then clipped to [mean / FURTHEST, mean * FURTHEST].
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
