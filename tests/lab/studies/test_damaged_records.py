"""Records that parse but lack a key or hold another type: every command's reader says so in a line, none breaks."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attack_results import result
from windowconv import plots
from windowconv.errors import InputError
from windowconv.lab.config import Execution
from windowconv.lab.data import ImageData
from windowconv.lab.evaluations.network import Network
from windowconv.lab.evaluations.registry import evaluations, find_evaluation
from windowconv.lab.robustness.attacks import result as attacks
from windowconv.lab.robustness.compared_runs import open_runs
from windowconv.lab.robustness.conditions.catalogue import conditions
from windowconv.lab.robustness.evaluations.conditions import measure_conditions
from windowconv.lab.robustness.evaluations.sensitivity import measure_heat_maps, measure_shifts
from windowconv.lab.robustness.reports.conditions_report import conditions_section
from windowconv.lab.robustness.reports.sensitivity_report import heat_map_section, shifts_section
from windowconv.lab.runs.checkpoints import Checkpoint, save_checkpoint
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.inspect_plugin import run_folder
from windowconv.lab.studies.execution.earlier import earlier_record
from windowconv.lab.studies.execution.reuse import RunIndex
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import analyse
from windowconv.lab.studies.reports.export import export_study
from windowconv.lab.studies.reports.provenance import provenance
from windowconv.lab.studies.reports.report import write_report
from windowconv.lab.studies.reports.run_sections import failures_section, settings_section
from windowconv.lab.studies.reports.tables import all_tables
from windowconv.lab.studies.reports.tuning_tables import tuned_table, tuning_tables
from windowconv.lab.studies.standing import standing
from windowconv.lab.training.state import common_checkpoints

OTHERS: tuple[Any, ...] = (None, "x", -1, 0.5, True, [], {})
FIRST = 6
"""Entries of a dictionary or list that are damaged; the others are like them."""
Reader = Callable[[], object]


def mutants(record: Any) -> Iterator[tuple[str, Any]]:
    """What was done, and the record with one key less, or one value of another type."""
    for place in places(record):
        *way, last = place
        held = at(record, place)
        for other in OTHERS:
            if type(other) is not type(held):
                changed = copy.deepcopy(record)
                at(changed, way)[last] = other
                yield f"{place} is {other!r}", changed
        changed = copy.deepcopy(record)
        del at(changed, way)[last]
        yield f"{place} is missing", changed


def places(record: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(record, dict | list):
        keys = list(record) if isinstance(record, dict) else range(len(record))
        for key in keys[: 2 if isinstance(record, list) else FIRST if len(record) > 40 else None]:
            yield (key,)
            yield from ((key, *rest) for rest in places(record[key]))


def at(record: Any, way: Any) -> Any:
    for key in way:
        record = record[key]
    return record


def damage(file: Path, *readers: Reader, line: int | None = None) -> None:
    """Give every damaged form of a file, or of a line of it, to the readers."""
    text = file.read_text()
    lines = text.splitlines()
    whole = json.loads(text if line is None else lines[line])
    damaged = [(what, json.dumps(record)) for what, record in mutants(whole)]
    damaged += [("NaN", text.replace("1", "NaN", 1)), ("empty", ""), ("deep", "[" * 10**5)] if line is None else []
    for what, content in damaged:
        file.write_text(content if line is None else "\n".join([*lines[:line], content, *lines[line:][1:]]))
        for reader in readers:
            try:
                reader()
            except InputError as error:
                said = str(error)
            except Exception as error:
                raise AssertionError(f"{file.name}: {what}: {error!r}") from error
            else:
                continue
            assert "\n" not in said, what
    file.write_text(text)


@pytest.fixture
def study(written: Callable[..., StudyFolder]) -> Path:
    """As exports have it."""
    return written({"3x3": [90.0], "5x5": [90.5], "5x5-hamming": [91.0]}).folder


def test_the_records_of_a_study(study: Path) -> None:
    def opened_study() -> None:
        StudyFolder.open(study)
        RunIndex([study / "3x3-seed0"])

    def run() -> None:
        opened = Run.open(study / "3x3-seed0")
        for kind in ("step", "epoch", "leakage"):
            opened.metrics(kind)
        opened.final()
        for evaluation in evaluations().values():
            evaluation.values(opened)

    damage(study / "study.json", opened_study)
    damage(study / "3x3-seed0/run.json", opened_study, run)
    for record in sorted((study / "3x3-seed0/evaluations").glob("*.json")):
        damage(record, run)
    for line in (0, 1, -1):
        damage(study / "3x3-seed0/metrics.jsonl", run, line=line)


def test_the_state_of_a_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = {"epoch": 1, "batch": 2, "totals": [0.5, 3.0], "figures": {"train_loss": 0.5}, "best_epoch": 0}
    state |= {"best_accuracy": -1.0, "time_s": 1.5, "logged": 0, "logged_sha256": "", "averaged": 0, "scaler": None}
    folder = save_checkpoint(tmp_path, Checkpoint(3, {"model": {}, "optimizer": {}}, state))
    whole = common_checkpoints([tmp_path])
    assert whole is not None
    found: list[Any] = []
    damage(folder / "state.json", lambda: found.append(common_checkpoints([tmp_path])))
    assert sum(each is not None for each in found) <= 1 + len(OTHERS)  # without their hash, as earlier versions wrote
    assert all(each is None or each[0].state == whole[0].state for each in found)
    assert capsys.readouterr().err.count("windowconv: ") == sum(each is None for each in found)


def test_a_study_that_two_processes_wrote_names_all_its_damaged_runs(study: Path) -> None:
    log = study / "3x3-seed0/metrics.jsonl"
    log.write_text(log.read_text() * 2)
    (study / "5x5-seed0/metrics.jsonl").write_bytes(bytes(100))
    said = r"2 of its finished runs are damaged, such as 3x3-seed0 \(metrics.jsonl has the lines of two runs\); "
    with pytest.raises(
        InputError, match=said + "remove 3x3-seed0, 5x5-seed0, and the study's command trains them again"
    ):
        write_report(StudyFolder.open(study))


@pytest.mark.slow
def test_what_is_made_of_a_study(study: Path, tmp_path: Path) -> None:
    def numbers() -> None:
        opened = StudyFolder.open(study)
        all_tables(opened, analyse(opened))
        provenance(opened)
        standing(opened)
        settings_section(opened)
        failures_section(opened)
        tuning_tables(opened)
        tuned_table(opened)

    def export() -> None:
        export_study(StudyFolder.open(study), tmp_path / "export")

    damage(study / "study.json", numbers, lambda: earlier_record(study, None))
    damage(study / "3x3-seed0/run.json", numbers, export)
    for record in sorted((study / "3x3-seed0/evaluations").glob("*.json")):
        damage(record, numbers, export)
    for line in (0, 1, -1):
        damage(study / "3x3-seed0/metrics.jsonl", numbers, export, line=line)


@pytest.mark.slow
def test_what_else_is_measured(make_run: Callable[..., Run], tiny: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "svg", lambda _: "<svg/>")  # which takes most of the time
    run = make_run("5x5")
    folder = run.folder / "evaluations"
    for name in ("kernels", "cropping", "shift", "aliasing", "leakage"):
        evaluation = find_evaluation(name)
        evaluation.run([Network(run)], tiny.test, Execution())
        runs = {"5x5": [run]}

        def shown(evaluation: Any = evaluation, runs: Any = runs) -> None:
            evaluation.sections(runs)
            evaluation.note(evaluation.values(run))

        damage(folder / f"{name}.json", shown)
    measure_conditions([run], tiny.test, conditions((12, 12), 1)[:1])
    damage(folder / "conditions-on-43.json", lambda: conditions_section({"5x5": [run]}))
    measure_shifts([run], tiny.test)
    damage(folder / "shifts-on-43.json", lambda: shifts_section({"5x5": [run]}))
    measure_heat_maps([run], tiny.test, size=3)
    damage(folder / "heat-map-on-43.json", lambda: heat_map_section({"5x5": [run]}))
    attacks.save(run.folder, result("pgd", [0.5, 0.3], (0.1, 0.2)), "finished", 100)
    damage(
        next(folder.glob("attack-*.json")),
        lambda: [(each.title, each.unit, each.budgets, each.values()) for each in attacks.finished(run.folder)],
    )
    damage(run.folder / "run.json", lambda: run_folder(str(run.folder)), lambda: open_runs([run.folder]))
