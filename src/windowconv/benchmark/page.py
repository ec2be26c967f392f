"""The page of a benchmark, and its record for JSON."""

from __future__ import annotations

import platform
from dataclasses import asdict
from statistics import median
from typing import Any

import torch

import windowconv
from windowconv.benchmark.measure import Benchmark, Phase
from windowconv.benchmark.text import code, layer_table, verdict, whole_table
from windowconv.fftconv.native import library
from windowconv.machine import processor_name
from windowconv.report import Block, Page, Section, Text
from windowconv.tables import by_sign

SCHEMA_VERSION = 1
LEAD = "What set_algorithm and prepare_inference would gain for this network on this machine, whole and layer by layer."
METHOD = (
    "The alternatives are copies of one network, called in turn on the same noise, each round in the other order than "
    "the one before; medians count. A training step is a forward and a backward pass of the mean outputs; the "
    "optimiser's step is the same for all and left out. For inference, windows are multiplied into the weights, "
    "as for deployment."
)


def make_page(name: str, found: Benchmark) -> Page:
    """The page.

    Args:
        name: the network's.
        found: what was measured.
    """
    blocks: list[Block] = [Text(verdict(phase)) for phase in found.phases]
    if lines := code(found):
        blocks += [Text("To use it:"), Text("\n".join(lines), code=True)]
    measured = [phase for phase in found.phases if not phase.problem]
    layers = [layer_table(phase) for phase in measured if phase.layers]
    sections = [Section("Summary", blocks), Section("The whole network", [whole_table(measured)] if measured else [])]
    if layers:
        sections.append(Section("Layer by layer", layers))
    return Page(f"Speed of {name}", LEAD, [*sections, Section("How this was measured", [Text(METHOD)])], facts(found))


def facts(found: Benchmark) -> dict[str, str]:
    """The machine, the versions, the inputs."""
    on_gpu = found.device.type == "cuda"
    native = "not used" if library.library() is None else library.instructions()
    versions = {"windowconv": windowconv.__version__, "torch": torch.__version__, "Python": platform.python_version()}
    error = max((phase.error for phase in found.phases), default=0.0)
    return {
        "inputs": ", ".join(map(by_sign, found.shapes)),
        "device": torch.cuda.get_device_name(found.device) if on_gpu else processor_name(),
        "threads": str(torch.get_num_threads()),
        "native operator": str(native),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "largest difference of outputs": f"{error:.1e} of the largest",
        "time": f"{found.seconds:.0f} s",
    }


def as_dict(name: str, found: Benchmark) -> dict[str, Any]:
    """Everything, for JSON; times in seconds, of every round."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": name,
        "inputs": [list(shape) for shape in found.shapes],
        "facts": facts(found),
        "use": code(found),
        "phases": [_phase(phase) for phase in found.phases],
    }


def _phase(phase: Phase) -> dict[str, Any]:
    record: dict[str, Any] = {"name": phase.name, "verdict": verdict(phase)}
    if phase.problem:
        return {**record, "problem": phase.problem}
    return {
        **record,
        "gain": phase.ratio.verdict if phase.gains else "the same",
        "ratio": asdict(phase.ratio) if phase.gains else None,
        "convolutions": phase.convolutions,
        "in_frequency_domain": phase.gains,
        "seconds": phase.times,
        "layers": [
            {
                "layers": layer.names,
                "input": layer.input,
                "weight": layer.weight,
                "median_seconds": {each: median(times) for each, times in layer.times.items()},
                "rounds": len(layer.times[layer.baseline]),
            }
            for layer in phase.layers
        ],
    }
