"""The convolutions that a machine is measured with: small, each dominated by another kind of work."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional as F

from windowconv.fftconv.cost import family
from windowconv.fftconv.problem import Axis, Problem
from windowconv.fftconv.rates import (
    Factors,
    Phase,
    Probe,
    Rates,
    Way,
    counts_of,
    fit_factors,
    group,
    name_of,
    way_of,
)

SECONDS = 1.5  # rounds stop then, but not before FEWEST, and go on to GIVE_UP while times are not steady
GIVE_UP = 5.0
FEWEST = 3
UNSTEADY = 0.1  # by how much the second shortest time exceeds the shortest: a few percent on a machine at rest
DTYPES = (torch.float32, torch.bfloat16)
PHASES: tuple[Phase, Phase] = ("forward", "step")


def _problem(batch: int, channels: int, pixels: int, taps: int, groups: int = 1) -> Problem:
    axis = Axis(pixels, taps, before=taps // 2, after=taps // 2)
    return Problem(batch, channels, channels, groups, (axis, axis))


PROBLEMS = (
    _problem(1, 64, 7, 3),  # calls
    _problem(16, 64, 28, 3),  # samples and spectra
    _problem(8, 128, 14, 5),  # products
    _problem(4, 256, 7, 3),  # weights
    _problem(8, 128, 14, 7, groups=128),
)


def measure() -> Mapping[str, Factors] | None:
    """The factors of this machine and thread count, by `rates.group`; None if it is too busy with other things."""
    runs = [run for dtype in DTYPES for problem in PROBLEMS for run in _runs(problem, dtype)]
    start, rounds = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS or rounds <= FEWEST or not _steady(runs):
        for run in runs:
            run.time()
            if time.perf_counter() - start > GIVE_UP:
                return _factors(runs) if rounds > FEWEST and _steady(runs) else None
        rounds += 1
    return _factors(runs)


def _steady(runs: Iterable[_Run]) -> bool:
    """Whether each group's shortest times can be had again: those of a machine that does nothing else."""
    ratios: dict[str, list[float]] = {}
    for run in runs:
        for seconds in run.seconds.values():
            first, second = sorted(seconds)[:2]
            ratios.setdefault(run.group, []).append(second / first)
    return all(median(of_group) < 1 + UNSTEADY for of_group in ratios.values())


class _Run:
    """One problem by one way in one layout."""

    def __init__(self, problem: Problem, dtype: torch.dtype, way: Way, layout: torch.memory_format) -> None:
        self.problem, self.dtype = problem, dtype
        self.way: Way = way
        self.group = group(way, name_of(dtype), family(problem))
        self.seconds: dict[Phase, list[float]] = {}
        generator = torch.Generator().manual_seed(0)  # not the user's
        height, width = problem.axes
        shapes = (
            (problem.batch, problem.in_channels, height.size, width.size),
            (problem.out_channels, problem.in_channels // problem.groups, height.taps, width.taps),
            (problem.batch, problem.out_channels, height.outputs, width.outputs),
        )
        made = (torch.randn(shape, generator=generator).to(dtype).contiguous(memory_format=layout) for shape in shapes)
        self.input, self.weight, self.gradient = made
        self.input.requires_grad_()
        self.weight.requires_grad_()

    def time(self) -> None:
        """Take the time of a forward pass without a graph, and of a training step: of several the shortest counts."""
        for phase in PHASES:
            start = time.perf_counter()
            with torch.set_grad_enabled(phase == "step"):
                output = self._convolve()
            if phase == "step":
                torch.autograd.grad(output, (self.input, self.weight), self.gradient)
            self.seconds.setdefault(phase, []).append(time.perf_counter() - start)

    def _convolve(self) -> Tensor:
        # imported when used: that module imports `choice`, which imports this one
        from windowconv.fftconv.convolution import fft_conv2d

        convolve = F.conv2d if self.way == "direct" else fft_conv2d
        height, width = self.problem.axes
        return convolve(self.input, self.weight, padding=(height.before, width.before), groups=self.problem.groups)

    def probe(self, phase: Phase) -> Probe:
        """What was measured, against what the built-in rates say."""
        row = Rates().row(self.way, name_of(self.dtype), family(self.problem), phase)
        counts = counts_of(self.problem, self.dtype, self.way, phase)
        assert counts is not None, "no limit was given"
        return Probe(counts, row, min(self.seconds[phase]))


def _runs(problem: Problem, dtype: torch.dtype) -> Iterator[_Run]:
    yield _Run(problem, dtype, way_of(dtype), torch.channels_last)
    for layout in (torch.channels_last, torch.contiguous_format):
        yield _Run(problem, dtype, "direct", layout)


def _factors(runs: Iterable[_Run]) -> Mapping[str, Factors]:
    """Each group's factors; of torch's two layouts the faster one counts."""
    best: dict[str, dict[tuple[Problem, Phase], Probe]] = {}
    for run in runs:
        of_group = best.setdefault(run.group, {})
        for phase in PHASES:
            probe = run.probe(phase)
            known = of_group.get((run.problem, phase))
            if known is None or probe.seconds < known.seconds:
                of_group[run.problem, phase] = probe
    return {name: fit_factors(probes.values()) for name, probes in best.items()}
