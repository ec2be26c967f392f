"""What several subcommands print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from windowconv.errors import InputError
from windowconv.lab.training.distributed import is_first_process
from windowconv.tables import format_table

if TYPE_CHECKING:
    from windowconv.lab.robustness.reports.comparison import Comparison
    from windowconv.lab.runs.folder import Run
    from windowconv.report import Table


def terminal_table(table: Table) -> str:
    """A report's table without its caption and note, as columns of plain text."""
    columns = table.headings()
    rows = [[column.text(cell) for column, cell in zip(columns, row, strict=True)] for row in table.rows]
    return format_table([column.title for column in columns], rows, [bool(column.numeric) for column in columns])


def print_table(table: Table) -> None:
    """A report's table with its caption and note."""
    print(f"{table.caption}\n{terminal_table(table)}\n{table.note}")


def print_run(run: Run) -> None:
    """A run's accuracy and its folder; torchrun's other processes print nothing."""
    if is_first_process():
        from windowconv.lab.evaluations.registry import ACCURACY, find_evaluation

        figures = find_evaluation(ACCURACY).values(run)
        if figures is None:
            raise InputError(f"{run.folder.name} has no evaluations/test.json; windowconv evaluate writes it anew")
        where = run.folder.resolve()
        print(f"test accuracy {figures['accuracy']:.2%} ({figures['correct']} of {figures['n']}). Run: {where}")


def print_robustness(comparison: Comparison, page: Path) -> None:
    """The accuracies under attack, the sanity checks that failed, and where the report is."""
    from windowconv.lab.robustness.reports.tables import summary_table

    print_table(summary_table(comparison))
    for name, each in comparison.checks.items():
        for run, check in each:
            if not check.passed:
                print(f"sanity check violated, {name}: {run}: {check.found}")
    print(f"Report: {page.resolve()}")
