"""A network's training steps and inference, whole and layer by layer, by torch's convolutions and by ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from windowconv.benchmark.alternatives import Alternatives, for_inference, for_training, tensors_in
from windowconv.benchmark.layers import LayerTimes, layer_times
from windowconv.benchmark.timing import Ratio, Seconds, fastest, in_turn, ratio
from windowconv.errors import InputError
from windowconv.hooks import evaluating
from windowconv.tables import by_sign

SHARES = {"training": 0.4, "inference": 0.25, "layers": 0.35}  # of the time

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Phase:
    """Training steps, or inference, of the whole network.

    Attributes:
        name: "training" or "inference".
        times: of each alternative, ours only if they differ from torch's; empty where it could not be run.
        problem: why it could not; "" if it could.
        baselines: the names of torch's.
        layers: the convolutions that are computed in the frequency domain, each kind with its times.
        convolutions: how many there are in all.
        gains: how many of them are computed in the frequency domain.
        error: largest difference of our outputs over the largest output.
    """

    name: str
    times: Seconds
    problem: str
    baselines: tuple[str, ...] = ()
    layers: tuple[LayerTimes, ...] = ()
    convolutions: int = 0
    gains: int = 0
    error: float = 0.0

    @property
    def baseline(self) -> str:
        """The faster of torch's layouts."""
        return fastest(self.times, self.baselines)

    @property
    def best(self) -> str:
        """The fastest of ours, if there are `gains`."""
        return fastest(self.times, [name for name in self.times if name not in self.baselines])

    @property
    def ratio(self) -> Ratio:
        """The time of our fastest over that of torch's, if there are `gains`."""
        return ratio(self.times, self.best, self.baseline)


@dataclass(frozen=True)
class Benchmark:
    """What was measured of a network.

    Attributes:
        shapes: of its inputs, with the batch.
        phases: training, and inference.
        seconds: that all took.
    """

    shapes: tuple[tuple[int, ...], ...]
    device: torch.device
    phases: tuple[Phase, ...]
    seconds: float


def benchmark(
    model: nn.Module,
    inputs: Sequence[Tensor],
    *,
    seconds: float = 60.0,
    progress: Progress = lambda text: None,
) -> Benchmark:
    """Measure what `set_algorithm` and `prepare_inference` gain for a network.

    Alternatives are timed in turn, on copies; medians count. A training step is forward and backward, of the sum of the
    outputs, without the optimiser, which is the same for all.

    Args:
        model: any network, on its device; it stays as it is.
        inputs: its positional arguments, with the batch.
        seconds: to measure for, about; three rounds are run at least, which takes longer for a large network.
        progress: called with a line for each step.

    Raises:
        InputError: `seconds` that are not positive; a network that cannot be called with the inputs, or that has no
            convolutions.
    """
    if not 0 < seconds < float("inf"):
        raise InputError(f"seconds={seconds:g}; allowed: a number above 0")
    start = time.perf_counter()
    device = next((each.device for each in model.parameters()), torch.device("cpu"))
    given = tuple(each.to(device) for each in inputs)
    check_call(model, given)
    phases = []
    for name, make in (("training", for_training), ("inference", for_inference)):
        progress(f"{name}: choosing algorithms")
        phases.append(_phase(name, make(model, given), seconds, device, progress))
    shapes = tuple(tuple(each.shape) for each in inputs)
    return Benchmark(shapes, device, tuple(phases), time.perf_counter() - start)


def check_call(model: nn.Module, inputs: Sequence[Tensor]) -> None:
    """An `InputError` for a network that cannot be called with these inputs."""
    try:
        with evaluating(model):
            model(*inputs)
    except (torch.OutOfMemoryError, InputError):
        raise
    except Exception as error:
        shapes = ", ".join(by_sign(each.shape) for each in inputs)
        raise InputError(
            f"model={type(model).__name__} cannot be called with inputs of {shapes} ({_first_line(error)}); allowed: "
            "its own shapes (--input-shape) or tensors (--inputs)"
        ) from error


def _phase(name: str, found: Alternatives, seconds: float, device: torch.device, progress: Progress) -> Phase:
    error = _largest_difference(found)
    call = _step if name == "training" else _pass
    # where nothing goes through the frequency domain, set_algorithm changes nothing that could be timed
    timed = found.models if found.gains else found.baselines
    calls = {each: partial(call, found.models[each], found.given(each)) for each in timed}
    progress(f"{name}: timing {len(calls)} alternatives in turn, for {SHARES[name] * seconds:.0f} s")
    try:
        times = in_turn(calls, SHARES[name] * seconds, device)
    except (RuntimeError, TypeError, ValueError) as reason:  # detectors ask for targets, batch norms for more images
        return Phase(name, {}, _first_line(reason))
    layers: tuple[LayerTimes, ...] = ()
    if found.gains:
        progress(f"{name}: timing layer by layer, for {SHARES['layers'] * seconds / 2:.0f} s")
        layers = layer_times(found, name == "training", SHARES["layers"] * seconds / 2, device)
    count = len({layer.name for layer in found.chosen.layers})
    return Phase(name, times, "", found.baselines, layers, count, len(found.gains), error)


def _step(model: nn.Module, inputs: Sequence[Tensor]) -> None:
    """One training step without an optimiser."""
    model.zero_grad(set_to_none=True)
    losses = [each.float().mean() for each in tensors_in(model(*inputs)) if each.requires_grad]
    if not losses:
        raise ValueError("no output has a gradient")
    torch.stack(losses).sum().backward()


def _pass(model: nn.Module, inputs: Sequence[Tensor]) -> None:
    with torch.no_grad():
        model(*inputs)


def _largest_difference(found: Alternatives) -> float:
    """The largest difference of all alternatives' outputs in evaluation mode from torch's, over torch's largest."""
    outputs: dict[str, list[Tensor]] = {}
    for name, model in found.models.items():
        training = model.training
        with torch.no_grad():
            outputs[name] = [each.double() for each in tensors_in(model.eval()(*found.given(name))) if each.numel()]
        if training:
            model.train()  # which would undo a preparation
    expected = outputs[found.baselines[0]]
    largest = max((each.abs().max().item() for each in expected), default=0.0)
    pairs = [pair for got in outputs.values() for pair in zip(got, expected, strict=True)]
    apart = max(((mine - its).abs().max().item() for mine, its in pairs), default=0.0)
    return apart / largest if largest else 0.0


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
