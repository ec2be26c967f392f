"""The convolutions that a machine is measured with: small ones, each dominated by another kind of work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional as F

from windowconv.fftconv.cost import family
from windowconv.fftconv.problem import Axis, Problem
from windowconv.fftconv.rates import (
    Factors,
    Method,
    Phase,
    Probe,
    Rates,
    counts_of,
    fit_factors,
    group,
    implementation_name,
    name_of,
)

Convolution = Callable[..., Tensor]  # with the arguments of `torch.nn.functional.conv2d`

SECONDS = 1.5  # when rounds end, but not before FEWEST; while times are not steady they continue until GIVE_UP
GIVE_UP = 5.0
FEWEST = 3
UNSTEADY = 0.1  # how far the second shortest time may exceed the shortest: a few per cent on an idle machine
DTYPES = (torch.float32, torch.bfloat16)
PHASES: tuple[Phase, Phase] = ("forward", "step")


def _problem(batch: int, channels: int, pixels: int, taps: int, groups: int = 1) -> Problem:
    axis = Axis(pixels, taps, before=taps // 2, after=taps // 2)
    return Problem(batch, channels, channels, groups, (axis, axis))


PROBLEMS = (
    _problem(1, 64, 7, 3),  # dominated by the call
    _problem(16, 64, 28, 3),  # by samples and spectra
    _problem(8, 128, 14, 5),  # by products
    _problem(4, 256, 7, 3),  # by weights
    _problem(8, 128, 14, 7, groups=128),
)


def measure(convolution: Convolution) -> Mapping[str, Factors] | None:
    """The factors of this machine and thread count, by `rates.group`; None if it is too busy to tell.

    Args:
        convolution: what is measured against `torch.nn.functional.conv2d`, whose arguments and gradients it has.
    """
    runs = [run for dtype in DTYPES for problem in PROBLEMS for run in _runs(problem, dtype, convolution)]
    start, rounds = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS or rounds <= FEWEST or not _steady(runs):
        for run in runs:
            run.time()
            if time.perf_counter() - start > GIVE_UP:
                return _factors(runs) if rounds > FEWEST and _steady(runs) else None
        rounds += 1
    return _factors(runs)


def _steady(runs: Iterable[_Run]) -> bool:
    """Whether the two shortest times of each run nearly agree, as they do on an idle machine."""
    ratios: dict[str, list[float]] = {}
    for run in runs:
        for seconds in run.seconds.values():
            first, second = sorted(seconds)[:2]
            ratios.setdefault(run.group, []).append(second / first)
    return all(median(of_group) < 1 + UNSTEADY for of_group in ratios.values())


class _Run:
    """One problem by one method in one memory format, with the seconds measured so far."""

    def __init__(
        self,
        problem: Problem,
        dtype: torch.dtype,
        method: Method,
        layout: torch.memory_format,
        convolution: Convolution,
    ) -> None:
        self.problem, self.dtype, self.convolution = problem, dtype, convolution
        self.method: Method = method
        self.group = group(method, name_of(dtype), family(problem))
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
        """Measure a forward pass without a graph, and a training step; of several measurements the shortest counts."""
        for phase in PHASES:
            start = time.perf_counter()
            with torch.set_grad_enabled(phase == "step"):
                output = self._forward()
            if phase == "step":
                torch.autograd.grad(output, (self.input, self.weight), self.gradient)
            self.seconds.setdefault(phase, []).append(time.perf_counter() - start)

    def _forward(self) -> Tensor:
        height, width = self.problem.axes
        padding, groups = (height.before, width.before), self.problem.groups
        return self.convolution(self.input, self.weight, padding=padding, groups=groups)

    def probe(self, phase: Phase) -> Probe:
        """The measured time beside the counts and rates that predict it."""
        row = Rates().row(self.method, name_of(self.dtype), family(self.problem), phase)
        counts = counts_of(self.problem, self.dtype, self.method, phase)
        assert counts is not None, "no limit was given"
        return Probe(counts, row, min(self.seconds[phase]))


def _runs(problem: Problem, dtype: torch.dtype, convolution: Convolution) -> Iterator[_Run]:
    yield _Run(problem, dtype, implementation_name(dtype), torch.channels_last, convolution)
    for layout in (torch.channels_last, torch.contiguous_format):
        yield _Run(problem, dtype, "direct", layout, F.conv2d)


def _factors(runs: Iterable[_Run]) -> Mapping[str, Factors]:
    """The factors of each group; of torch's two memory formats the faster one counts."""
    best: dict[str, dict[tuple[Problem, Phase], Probe]] = {}
    for run in runs:
        of_group = best.setdefault(run.group, {})
        for phase in PHASES:
            probe = run.probe(phase)
            known = of_group.get((run.problem, phase))
            if known is None or probe.seconds < known.seconds:
                of_group[run.problem, phase] = probe
    return {name: fit_factors(probes.values()) for name, probes in best.items()}
