"""What the laboratory's subcommands do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from windowconv.errors import InputError, require
from windowconv.lab.config import Execution, Training
from windowconv.lab.data import NAMES, ImageData
from windowconv.lab.runs.folder import Run
from windowconv.lab.studies.grid.report import results_table, write_report
from windowconv.lab.studies.grid.search import search_rates
from windowconv.lab.studies.grid.study import Study, StudyResult, arm_specs, is_claim_study, run_study
from windowconv.lab.training.distributed import check_device, is_first_process
from windowconv.lab.training.evaluate import check_fits, evaluate, save_evaluation
from windowconv.lab.training.loading import cut
from windowconv.lab.training.progress import duration, show_progress
from windowconv.lab.training.train import train
from windowconv.plots import arm_colours
from windowconv.tables import format_table

if TYPE_CHECKING:
    from windowconv.lab.commands.options import Compare, Evaluate, Predict, Report, Train
from windowconv.lab.data.read import read_pictures
from windowconv.lab.data.sources import data_name
from windowconv.lab.runs.folder import refuse_finished
from windowconv.lab.training.loading import read_data


def compare(command: Compare) -> StudyResult:
    """`windowconv compare`."""
    from windowconv.lab.commands.options import part

    training: Training = part(command, Training)
    study = Study(data_name(command.data), command.arms, command.seeds, training)
    execution = prepare(command)
    data = read_data(command.data, command.data_root, training)
    search = None
    if command.lr_search:
        found = search_rates(study, command.lr_search, data, command.out, execution)
        study, search = replace(study, rates=found.best), found.record()
    return run_and_report(study, data, command.out, execution, command.seeds_at_once, search)


def run_and_report(
    study: Study,
    data: ImageData,
    out: Path,
    execution: Execution | None = None,
    seeds_at_once: int = 1,
    search: dict[str, Any] | None = None,
) -> StudyResult:
    """Run a study, write its report, and say where it is."""
    for module in ("matplotlib", "jinja2"):  # what the report needs is better missed now than after the training
        require(module, "report")
    arm_colours(study.arms)
    result = run_study(study, data, out, execution, seeds_at_once=seeds_at_once, search=search)
    if not is_first_process():
        return result
    page = write_report(result)
    table = results_table(result)
    columns = table.headings()
    rows = [[column.text(cell) for column, cell in zip(columns, row, strict=True)] for row in table.rows]
    shown = format_table([c.title for c in columns], rows, [bool(c.numeric) for c in columns])
    print(f"{table.caption}\n{shown}\n{table.note}")
    runs = len(study.arms) * study.seeds
    print(f"{runs} run{'s' if runs > 1 else ''} in {duration(result.record['time_s'])}. Report: {page.resolve()}")
    return result


def report(command: Report) -> None:
    """`windowconv report`, for studies of `study` and of `compare`."""
    if is_claim_study(command.study_folder):
        from windowconv.lab.commands.study_action import report_study

        report_study(command.study_folder, command.export)
        return
    result = StudyResult.open(command.study_folder)
    if command.export is not None:
        raise InputError(f"export={str(command.export)!r} is for studies of windowconv study; this one is of compare")
    print(f"Report: {write_report(result).resolve()}")


def train_one(command: Train) -> Run:
    """`windowconv train`."""
    from windowconv.lab.commands.options import part

    training: Training = part(command, Training)
    config = replace(Study(data_name(command.data), (command.arm,), 1, training).config(command.arm, command.seed))
    execution = prepare(command)
    data = cut(read_data(command.data, command.data_root, training), training)
    folder = command.out or Path("runs") / config.run_name
    refuse_finished(folder)
    if is_first_process():
        arm_specs(Study(config.data, (config.arm,), 1, training), data)
    with show_progress([1.0]) as progress:
        run = train(config, data, folder, progress, execution)
    say_result(run)
    return run


def say_result(run: Run) -> None:
    """Print what a run came to."""
    if is_first_process():
        figures = run.evaluation()["figures"]
        where = run.folder.resolve()
        print(f"test accuracy {figures['accuracy']:.2%} ({figures['correct']} of {figures['n']}). Run: {where}")


def evaluate_run(command: Evaluate) -> None:
    """`windowconv evaluate`."""
    run = Run.open(command.run_folder)
    config, known = run.config, run.record["data"]
    model = run.model()
    execution = prepare(command)
    given = command.data or config.data
    if command.data is None and given not in NAMES:
        raise InputError(f"{run.folder.name} was trained on the folder {given!r}; say where it is with --data")
    data = read_data(given, command.data_root, config)
    images = data.test if command.data is not None else cut(data, config).test
    check_fits(known, images)
    same = images.content_hash == known["test_hash"]
    if command.data is None and not same:
        raise InputError(
            f"the test images of {given} here differ from those of the run (content hash {images.content_hash[:12]}, "
            f"the run's {known['test_hash'][:12]}); pass --data {given} to evaluate on them all the same"
        )
    result = evaluate(model.to(execution.device), images, execution.device, workers=execution.workers)
    name = "test" if same else f"{data_name(given)}-test"
    save_evaluation(run.folder, name, result, images, data.name)
    figures = result.figures()
    print(
        f"{run.folder.name} on {data.name}: accuracy {figures['accuracy']:.2%} ({figures['correct']} of "
        f"{figures['n']}), loss {figures['loss']:.4f}"
    )


def predict(command: Predict) -> None:
    """`windowconv predict`."""
    run = Run.open(command.run_folder)
    known = run.record["data"]
    if not command.images:
        raise InputError("predict takes one image file at least")
    if command.top < 1:
        raise InputError(f"top={command.top}; allowed: 1 or more")
    for path in command.images:
        if not path.is_file():
            raise InputError(f"image={str(path)!r} is not a file")
    images = read_pictures(command.images, known["channels"], tuple(known["image_size"]))
    with torch.inference_mode():
        shares = run.model()(images.float() / 255).softmax(1)
    top = shares.topk(min(command.top, shares.shape[1]), dim=1)
    for path, values, indices in zip(command.images, top.values.tolist(), top.indices.tolist(), strict=True):
        names = [f"{known['classes'][i]} {value:.1%}" for i, value in zip(indices, values, strict=True)]
        print(f"{path.name}: {', '.join(names)}")


def prepare(execution: Execution) -> Execution:
    """Set the threads and check the device; returns what says how to run."""
    from windowconv.lab.commands.options import part

    execution.check()
    if execution.threads is not None:
        torch.set_num_threads(execution.threads)
    check_device(execution.device)
    return part(execution, Execution)
