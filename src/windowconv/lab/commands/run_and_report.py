"""A study from its plan to its report, for `study`, `compare` and the demo."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from windowconv.errors import InputError, check_installed
from windowconv.lab.commands.printing import print_table, terminal_table
from windowconv.lab.progress import duration
from windowconv.lab.studies.design.plan import Plan
from windowconv.lab.studies.execution.options import StudyOptions
from windowconv.lab.studies.execution.runner import run_study
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import analyse, baseline_warning
from windowconv.lab.studies.reports.export import export_study
from windowconv.lab.studies.reports.report import title, write_report
from windowconv.lab.studies.reports.tables import results_table
from windowconv.lab.studies.reports.tuning_tables import tuned_table, tuning_tables
from windowconv.lab.studies.reports.verdict_text import verdict_text
from windowconv.lab.training.distributed import configure, is_first_process
from windowconv.plots import FigureFormat


def run_and_report(plan: Plan, folder: Path, options: StudyOptions, figures: Sequence[FigureFormat] = ()) -> None:
    """Run a study, or go on with it; write its report and print what it found.

    Args:
        plan, folder, options: as `run_study` takes them.
        figures: as `write_report` takes them.

    Raises:
        InputError: runs that failed, after the others are reported; as `run_study`.
    """
    check_installed("report", "matplotlib", "jinja2")  # missed now rather than after the training
    began = time.perf_counter()
    configure(options.execution)
    study = run_study(plan, folder, options)
    if not is_first_process():  # of torchrun's
        return
    if study.finished:
        page = write_report(study, figures)
        _print_results(study)
        print(f"{_times(study, time.perf_counter() - began)} Report: {page.resolve()}")
    elif options.only_tune:
        _print_tuning(study)
    if options.export is not None:
        print(f"Without weights: {export_study(study, options.export).resolve()}")
    failures: dict[str, str] = study.record["failures"]
    if failures:
        name, reason = next(iter(failures.items()))
        raise InputError(
            f"{len(failures)} of {study.wanted} runs failed twice, such as {name} ({reason}); the others are kept, and "
            "the same command tries these again, but for those that diverged"
        )


def _print_tuning(study: StudyFolder) -> None:
    """The settings that were tried, and what was chosen."""
    for table in (*tuning_tables(study), *tuned_table(study)):
        print_table(table)
        print()


def _print_results(study: StudyFolder) -> None:
    """What was tuned, the results, and the verdict if there is a claim."""
    _print_tuning(study)
    results = results_table(study)
    verdict = " ".join(filter(None, [verdict_text(study, analyse(study)), baseline_warning(study)]))
    print(f"{study.design.claim or title(study)}\n\n{terminal_table(results)}\n\n{verdict or results.note}")


def _times(study: StudyFolder, seconds: float) -> str:
    """How long all runs trained, whenever that was, and how long this command took."""
    runs = f"{study.finished} run{'s' if study.finished > 1 else ''}"
    return f"{runs}, trained for {duration(study.record['time_s'])}; this took {duration(seconds)} in all."
