"""The report of a study: one self-contained page, made from the run folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from windowconv import plots
from windowconv.kernel_geometry import Convolution
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.progress import duration
from windowconv.lab.runs.folder import Run
from windowconv.lab.statistics.paired import spread
from windowconv.lab.statistics.tables import INTERVAL_SEEDS, difference
from windowconv.lab.studies.grid.leakage import leakage_section
from windowconv.lab.studies.grid.study import StudyResult
from windowconv.report import Column, Figure, Page, Section, Table, Text, write
from windowconv.windowed import WindowedMixin

REPORT = "report.html"


def write_report(result: StudyResult) -> Path:
    """Write `report.html` into the study's folder and return its path."""
    colours = plots.arm_colours(result.study.arms)
    sections = [
        _accuracy_section(result, colours),
        leakage_section(result, colours),
        *_kernel_sections(result),
        _settings_section(result),
    ]
    page = Page(_title(result), _lead(result), sections, _facts(result))
    return write(page, result.folder / REPORT)


def results_table(result: StudyResult) -> Table:
    """Each arm's size, accuracy over seeds, and paired difference to the first arm."""
    baseline = result.study.arms[0]
    against = result.accuracies(baseline)
    rows = []
    for arm in result.study.arms:
        values = result.accuracies(arm)
        figures, network = spread(values), result.record["networks"][arm]
        seconds = spread([run.final()["time_s"] for run in result.runs(arm)]).mean
        sd = None if figures.sd is None else f"{figures.sd:.2f}"
        minus = None if arm == baseline else difference(values, against)
        rows.append([arm, figures.mean, sd, figures.n, minus, network["parameters"], network["macs"] / 1e6, seconds])
    how = "[95 % interval]" if result.study.seeds >= INTERVAL_SEEDS else "(by seed)"
    columns = [
        "arm",
        Column("accuracy (%)", ".2f"),
        Column("sd", numeric=True),
        "seeds",
        Column(f"minus {baseline} {how}", numeric=True),
        "parameters",
        Column("multiply-adds (M)", ".2f"),
        Column("time (s)", ".1f"),
    ]
    record = result.record
    note = (
        f"Mean and sample standard deviation over seeds of the accuracy on {record['data']['test']:,} test images "
        f"after the last epoch. Differences are paired by seed (same batches), in points; intervals are "
        f"paired t ones, given from {INTERVAL_SEEDS} seeds on; "
        "multiply-adds of one image forward; training time of a run with its evaluations; "
        f"hardware: {_hardware(record['environment'])}, torch "
        f"{record['environment']['torch']}."
    )
    return Table(f"{_title(result)}: results by arm", columns, rows, note=note)


def _pairs_table(result: StudyResult) -> Table:
    """The paired difference of every two arms, the later minus the earlier."""
    columns = ["", "minus", Column("points", numeric=True)]
    rows = [
        [later, earlier, difference(result.accuracies(later), result.accuracies(earlier))]
        for earlier, later in combinations(result.study.arms, 2)
    ]
    note = "Many comparisons find some difference by chance: name the one that counts before you look."
    return Table("Paired differences of all arms", columns, rows, note=note)


def _title(result: StudyResult) -> str:
    return f"{' / '.join(result.study.arms)} on {result.study.data}"


def _lead(result: StudyResult) -> str:
    """The result in one sentence, with the warning that few seeds need."""
    means = {arm: spread(result.accuracies(arm)).mean for arm in result.study.arms}
    ordered = sorted(means, key=lambda arm: -means[arm])
    text = "Test accuracy: " + ", ".join(f"{arm} {means[arm]:.2f} %" for arm in ordered)
    training = result.study.training
    text += (
        f" (mean over {_count(result.study.seeds, 'seed')}, {_count(training.epochs, 'epoch')}, "
        f"{result.record['data']['train']:,} training images). "
    )
    if result.study.seeds == 1:
        text += "One seed cannot tell a difference from chance: take more before drawing conclusions. "
    elif result.study.seeds < 5:
        text += "So few seeds cannot tell small differences from chance: take more before drawing conclusions. "
    if result.study.data == "gratings":
        text += "The images are generated gratings, not photographs. "
    return text + "Networks of this size and training are far from the paper's."


def _accuracy_section(result: StudyResult, colours: dict[str, str]) -> Section:
    arms = result.study.arms
    watched, key = ("validation", "val_accuracy") if result.study.training.val_fraction else ("test", "test_accuracy")
    curves = {arm: [_curve(run, key, 100) for run in result.runs(arm)] for arm in arms}
    losses = {arm: [_curve(run, "train_loss", 1) for run in result.runs(arm)] for arm in arms}
    accuracies = {arm: result.accuracies(arm) for arm in arms}
    blocks = [
        results_table(result),
        *([_pairs_table(result)] if len(arms) > 2 else []),
        Figure(
            plots.svg(plots.accuracy_by_arm(accuracies, colours=colours)),
            "Test accuracy after the last epoch: each dot a seed, each diamond the mean with one standard deviation.",
            "Dot plot of accuracy by arm: " + ", ".join(f"{a} {np.mean(v):.2f} %" for a, v in accuracies.items()),
        ),
        Figure(
            plots.svg(plots.learning_curves(curves, ylabel=f"{watched} accuracy (%)", colours=colours)),
            f"Accuracy on the {watched} images after each epoch; thin lines are seeds, thick ones their mean. "
            + ("" if key == "val_accuracy" else "Nothing is decided by it: no early stopping, no choice of a run."),
            f"Curves of {watched} accuracy against epochs for each arm",
        ),
        Figure(
            plots.svg(plots.learning_curves(losses, ylabel="training loss", colours=colours)),
            "Mean cross-entropy over the epoch's augmented training images.",
            "Curves of training loss against epochs for each arm",
        ),
    ]
    return Section("Accuracy", blocks, "Arms of one seed see the same batches, so their differences are paired.")


def _curve(run: Run, key: str, scale: float) -> tuple[list[int], list[float]]:
    lines = run.metrics("epoch")
    return [line["epoch"] for line in lines], [scale * line[key] for line in lines]


def convolutions(model: nn.Module) -> Iterator[tuple[str, Convolution, Tensor]]:
    """Each convolution with a kernel: its name, the layer, the effective weight."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1:
            weight = module.effective_weight if isinstance(module, WindowedMixin) else module.weight
            yield name, module, weight.detach()


def _kernel_sections(result: StudyResult) -> list[Section]:
    """Pictures of the first two layers' kernels in each arm, first seed."""
    sections = []
    for arm in result.study.arms:
        windowed = parse_arm(arm).window is not None
        blocks = []
        for i, (_, layer, effective) in enumerate(list(convolutions(result.run(arm, 0).model()))[:2]):
            raw = layer.weight.detach()
            window = _window_of(layer, effective)
            figure = plots.kernels(raw, window, title=f"{arm}, convolution {i + 1}")
            caption = f"Convolution {i + 1}: the filters whose raw kernels have the most energy, each by its strongest "
            caption += "input channel. "
            caption += (
                "Raw kernel, kernel times window, and their frequency responses."
                if windowed
                else "Kernel and response."
            )
            blocks.append(Figure(plots.svg(figure), caption, f"Kernels of {arm} and their frequency responses"))
        title = f"Kernels of {arm}" + (" before and after the window" if windowed else "")
        sections.append(Section(title, blocks))
    return sections


def _window_of(layer: Convolution, effective: Tensor) -> Tensor | None:
    if not isinstance(layer, WindowedMixin):
        return None
    if layer.learnable_window is not None:
        return layer.learnable_window()[0].detach()
    return layer.window_values


def _settings_section(result: StudyResult) -> Section:
    rows = [[key.replace("_", " "), _setting(value)] for key, value in asdict(result.study.training).items()]
    runs = []
    for arm in result.study.arms:
        for run in result.runs(arm):
            final = run.final()
            record = run.record
            runs.append(
                [
                    arm,
                    record["seed"],
                    run.folder.name,
                    run.config.lr,
                    100 * final["test_accuracy"],
                    final["time_s"],
                    record["config_hash"],
                ]
            )
    columns = [
        *("arm", "seed", "folder"),
        Column("learning rate", "g"),
        *(Column("test accuracy (%)", ".2f"), Column("seconds", ".1f"), "config"),
    ]
    commands = Text(
        "\n".join(run.record["command"] for arm in result.study.arms for run in result.runs(arm)), code=True
    )
    return Section(
        "Settings and runs",
        [
            Table("Settings of all runs", ["setting", "value"], rows, note=_chosen_rates(result)),
            *_matched_widths(result),
            Table("Runs", columns, runs, sortable=True),
            commands,
        ],
    )


def _chosen_rates(result: StudyResult) -> str:
    """That each arm's learning rate was searched for, where it was."""
    if not result.study.rates:
        return ""
    rates = ", ".join(f"{arm} {rate:g}" for arm, rate in result.study.rates.items())
    return f"Learning rates were chosen for each arm on the validation images: {rates}."


def _matched_widths(result: StudyResult) -> list[Table]:
    """The widths of the arms that were matched in size, and how near they came."""
    networks = result.record["networks"]
    rows = [
        [
            arm,
            ", ".join(map(str, n["widths"])),
            "parameters" if n["matched"] == "params" else "multiply-adds",
            f"{n['gap']:+.2%}",
        ]
        for arm, n in networks.items()
        if n.get("gap") is not None
    ]
    columns: list[str | Column] = ["arm", "widths", "matched in", Column("gap to 3x3", numeric=True)]
    return [Table("Arms of matched size", columns, rows)] if rows else []


def _hardware(environment: dict[str, Any]) -> str:
    return f"{environment['device']}, {_count(environment['threads'], 'thread')}"


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}" + ("" if n == 1 else "s")


def _setting(value: Any) -> str:
    """A setting as people write it."""
    if value is None:
        return "not set (all, or as they are)"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _facts(result: StudyResult) -> dict[str, str]:
    record, environment = result.record, result.record["environment"]
    git = result.run(result.study.arms[0], 0).record["git"]
    data = record["data"]
    return {
        "data": f"{data['source']}: {data['train']:,} training and {data['test']:,} test images",
        "content hash": f"{data['train_hash'][:12]} (train), {data['test_hash'][:12]} (test)",
        "seeds": str(record["seeds"]),
        "hardware": _hardware(environment),
        "versions": ", ".join(f"{name} {environment[name]}" for name in ("windowconv", "torch", "numpy", "python")),
        "commit": "installed package"
        if git is None
        else git["commit"][:12] + (" (with changes)" if git["dirty"] else ""),
        "training time of all runs": duration(record["time_s"]),
    }
