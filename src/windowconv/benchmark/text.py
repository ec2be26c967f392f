"""A benchmark as sentences, tables and code."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from windowconv.benchmark.alternatives import PREPARED, TORCH_LAST
from windowconv.benchmark.measure import Benchmark, Phase
from windowconv.benchmark.timing import STEADY, Ratio
from windowconv.report import Column, Table
from windowconv.tables import by_sign

LABELS = {"training": "training step", "inference": "forward pass"}
NAMED = 2  # layers of a kind


def verdict(phase: Phase) -> str:
    """What there is to gain, in a paragraph."""
    title = phase.name.capitalize()
    if phase.problem:
        return f"{title} cannot be measured: {phase.problem}"
    if not phase.gains:
        return (
            f"{title}: nothing to gain. torch's own algorithm is expected to be the fastest for each of the "
            f"{phase.convolutions} convolutions, so set_algorithm leaves them as they are. {_baseline(phase)}"
        )
    ratio, ours, torch = phase.ratio, _ms(phase.times[phase.best]), _ms(phase.times[phase.baseline])
    times = f"{ours} instead of {torch} a {LABELS[phase.name]}"
    said = {
        "faster": f"{1 / ratio.median:.2f} times as fast with {phase.best}: {times}",
        "slower": f"nothing to gain; {phase.best} would be {ratio.median:.2f} times as slow: {times}",
        "the same": f"nothing to gain; {phase.best} takes the same time within 3 %: {times}",
        "not clear": f"not clear on this machine now: {times} with {phase.best}; measure again with more --seconds",
    }[ratio.verdict]
    layers = f"{phase.gains} of {phase.convolutions} convolutions go through the frequency domain"
    return f"{title}: {said} ({_interval(ratio, len(phase.times[phase.best]))}). {layers}. {_baseline(phase)}"


def code(found: Benchmark) -> list[str]:
    """The lines that bring the gain; none where there is none."""
    gained = [phase for phase in found.phases if phase.gains and phase.ratio.verdict == "faster"]
    if not gained:
        return []
    lines = ['windowconv.set_algorithm(model, "auto")']
    if any(TORCH_LAST in phase.baselines for phase in gained):
        layout = "channels_last_3d" if max(map(len, found.shapes)) == 5 else "channels_last"
        lines.append(f"model = model.to(memory_format=torch.{layout})")
    if any(phase.best == PREPARED for phase in gained):
        lines.append("windowconv.prepare_inference(model.eval(), inputs)  # for inference only")
    return lines


def whole_table(phases: Sequence[Phase]) -> Table:
    """The whole network's times by phase and alternative."""
    rows: list[list[str | float]] = []
    for phase in phases:
        for name, seconds in phase.times.items():
            slower = median(seconds) / median(phase.times[phase.baseline])
            rows.append([phase.name, name, 1e3 * median(seconds), 1e3 * min(seconds), slower, len(seconds)])
    columns = ["", "computed by", Column("ms", ".2f"), Column("shortest", ".2f"), Column("over torch", ".2f"), "rounds"]
    note = (
        "Median of all rounds, in which the alternatives take turns. Over torch: times that of torch's faster layout."
    )
    return Table("The whole network", columns, rows, note)


def layer_table(phase: Phase) -> Table:
    """The convolutions of the frequency domain, each alone."""
    rows: list[list[str | float]] = []
    for layer in phase.layers:
        torch, ours = median(layer.times[layer.baseline]), median(layer.times[layer.best])
        shapes = [by_sign(layer.input), by_sign(layer.weight)]
        rows.append([_names(layer.names), *shapes, 1e3 * torch, 1e3 * ours, torch / ours, layer.ratio.verdict])
    columns = ["layers", "input", "weight", Column("torch, ms", ".2f"), Column("ours, ms", ".2f")]
    columns += [Column("times as fast", ".2f"), "ours is"]
    note = "One call of one layer, alone, on noise: the faster of torch's layouts against the fastest of ours. Layers "
    note += "that torch computes with either choice are left out."
    return Table(f"{phase.name.capitalize()}, layer by layer", columns, rows, note, sortable=True)


def _baseline(phase: Phase) -> str:
    """Which of torch's layouts is the faster one."""
    if len(phase.baselines) < 2:
        return ""
    other = next(name for name in phase.baselines if name != phase.baseline)
    gain = median(phase.times[other]) / median(phase.times[phase.baseline])
    if gain < 1.03:
        return "torch's two memory formats take the same time."
    last = "channels last" if phase.baseline == TORCH_LAST else "contiguous"
    return f"torch alone is {gain:.2f} times as fast in the memory format {last} as in the other."


def _interval(ratio: Ratio, rounds: int) -> str:
    low, high = 1 / ratio.high, 1 / ratio.low
    kind = "95 % interval" if rounds >= STEADY else f"range of only {rounds} rounds"
    return f"{kind} {low:.2f} to {high:.2f}"


def _ms(seconds: Sequence[float]) -> str:
    value = 1e3 * median(seconds)
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(name or "(the model)" for name in names[:NAMED])
    return shown + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
