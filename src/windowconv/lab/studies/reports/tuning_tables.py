"""What was tried before a study's runs, and what was chosen."""

from __future__ import annotations

from windowconv.lab.studies.folder import StudyFolder
from windowconv.report import Cell, Column, Table


def tuning_tables(study: StudyFolder) -> list[Table]:
    """For each setting that the design's tuning chose, the validation accuracy of each value in each variant."""
    tables = []
    for name, found in study.record.get("tuning", {}).items():
        setting, grid = name.replace("_", " "), tuple(found["grid"])
        rows: list[list[Cell]] = []
        for variant, tried in found["validation_accuracy"].items():
            accuracies = [tried[f"{value:g}"] for value in grid]
            shown = ["diverged" if a is None else f"{100 * a:.2f}" for a in accuracies]
            rows.append([variant, *shown, _chosen(found["chosen"][variant], grid)])
        columns: list[str | Column] = ["variant", *(Column(f"{value:g}", numeric=True) for value in grid), "chosen"]
        tuning = study.design.tuning
        held = "" if tuning is None else f" on {tuning.held_out:.0%} of the training images, held out"
        length = "" if tuning is None else f", in runs of {tuning.length:g} times the epochs"
        note = (
            f"Validation accuracy (%){held}{length}, one seed of its own. All variants have the same grid, which was "
            "widened where a variant's best value lay at an end."
        )
        tables.append(Table(f"Tuning of the {setting}, before the runs", columns, rows, note))
    return tables


def tuned_table(study: StudyFolder) -> list[Table]:
    """The validation accuracies by which settings were tuned, where there are tuned variants."""
    rows: list[list[Cell]] = [
        [
            variant.name,
            variant.tune[0].replace("_", " "),
            ", ".join(f"{value}: {100 * accuracy:.2f}" for value, accuracy in found.items()),
            _chosen(study.record["tuned"][variant.name], variant.tune[1]),
        ]
        for variant in study.design.variants
        if variant.tune and (found := study.record["searched"].get(variant.name))
    ]
    if not rows:
        return []
    columns: list[str | Column] = ["variant", "setting", "validation accuracy (%) by value", "chosen"]
    note = "Each value was tried once, with a seed of its own, on validation images held out of the training set."
    return [Table("Settings tuned before the runs", columns, rows, note)]


def _chosen(value: float, tried: tuple[float, ...]) -> str:
    """The chosen value; at an end of those that were tried, a better one may lie beyond."""
    ends = {min(tried): "smallest", max(tried): "largest"} if len(tried) > 1 else {}
    return f"{value:g}" + (f" (the {ends[value]} tried: try beyond it)" if value in ends else "")
