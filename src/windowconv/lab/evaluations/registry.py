"""All evaluations, the laboratory's own and those of other packages, found by their entry points."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from windowconv.errors import InputError, WindowWarning, unknown
from windowconv.lab.evaluations.protocol import Evaluation, Metric
from windowconv.lab.runs.folder import Run

GROUP = "windowconv.evaluations"
OWN = "windowconv"
ACCURACY = "test"
"""The evaluation that every run has: training ends with it."""


@cache
def evaluations() -> dict[str, Evaluation]:
    """All evaluations by name, the laboratory's own first.

    An entry point names a subclass of `Evaluation` that takes no arguments, or an instance. One that cannot be used is
    left out with a warning that names its package.
    """
    found: dict[str, Evaluation] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (_package(entry) != OWN, entry.name)):
        try:
            evaluation = _load(entry)
            _check_new(evaluation, found.values())
        except Exception as error:  # another package's bug costs its evaluation, not the command
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            warnings.warn(
                f"evaluation {entry.name!r} of the package {_package(entry)!r} is left out ({reason})",
                WindowWarning,
                stacklevel=2,
            )
        else:
            found[evaluation.name] = evaluation
    return found


def find_evaluation(name: str) -> Evaluation:
    """The evaluation of this name; an `InputError` suggests the nearest."""
    if name not in evaluations():
        raise unknown("evaluation", name, evaluations())
    return evaluations()[name]


def find_metric(name: str) -> Metric:
    """The metric of this name, of whichever evaluation has it; an `InputError` suggests the nearest."""
    return _with_metric(name)[1]


def metrics_of(names: Iterable[str]) -> list[str]:
    """The names of the metrics of these evaluations, in their order; the accuracy first. Unknown ones have none: a
    study that was measured by a plug-in opens without it."""
    known = [evaluations()[name] for name in (ACCURACY, *names) if name in evaluations()]
    return [metric.name for evaluation in known for metric in evaluation.metrics]


def metric_value(run: Run, name: str) -> float | None:
    """A run's value of a metric, in the unit of its title; None where it was not measured."""
    evaluation, metric = _with_metric(name)
    value = (evaluation.values(run) or {}).get(metric.key)
    return None if value is None else metric.scale * value


def _with_metric(name: str) -> tuple[Evaluation, Metric]:
    pairs = {metric.name: (each, metric) for each in evaluations().values() for metric in each.metrics}
    if name not in pairs:
        raise unknown("metric", name, pairs)
    return pairs[name]


def _load(entry: EntryPoint) -> Evaluation:
    given = entry.load()
    evaluation = given() if isinstance(given, type) else given
    if not isinstance(evaluation, Evaluation):
        raise InputError(f"{entry.value} is no windowconv.lab.evaluations.Evaluation")
    return evaluation


def _check_new(evaluation: Evaluation, others: Iterable[Evaluation]) -> None:
    """An `InputError` where another evaluation has the name, or a metric of one name."""
    for other in others:
        if evaluation.name == other.name:
            raise InputError(f"its name {evaluation.name!r} is taken")
        if shared := {metric.name for metric in evaluation.metrics} & {metric.name for metric in other.metrics}:
            raise InputError(f"its metric {min(shared)!r} is one of the evaluation {other.name!r}")


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "unknown"
