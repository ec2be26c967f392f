"""What `windowconv study` does, and `windowconv report` for a study's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from windowconv.errors import InputError, require, unknown
from windowconv.lab.commands.actions import prepare
from windowconv.lab.config import Training
from windowconv.lab.data.sources import data_name
from windowconv.lab.studies.design.catalogue import STUDIES, find_design
from windowconv.lab.studies.design.design import Design
from windowconv.lab.studies.design.plan import Plan
from windowconv.lab.studies.execution.dry_run import estimate
from windowconv.lab.studies.execution.engines import Engine, Processes, ThisProcess
from windowconv.lab.studies.execution.runner import Means, conduct
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import baseline_warning, findings
from windowconv.lab.studies.reports.report import write_report
from windowconv.lab.studies.reports.tables import answer, results_table
from windowconv.lab.training.progress import duration
from windowconv.tables import format_table

if TYPE_CHECKING:
    from windowconv.lab.commands.study import Study

RUNS = Path("runs/studies")


def study(command: Study) -> None:
    """`windowconv study`."""
    if command.name is None:
        print(listing())
        return
    plan = planned(command)
    for path in command.reuse:
        if path != RUNS.parent and not path.is_dir():  # the default need not be there yet
            raise InputError(f"reuse={str(path)!r} is no folder; allowed: folders of runs or of studies")
    images = command.data or plan.design.at(plan.scale).data
    execution = prepare(command)
    if command.dry_run:
        if command.price is not None and not command.price >= 0:
            raise InputError(f"price={command.price}; allowed: 0 or more")
        print(f"{plan.design.name} at scale {plan.scale} on {plan.data}, {plan.seeds} seeds: {plan.design.claim}\n")
        print(estimate(plan, images, command.data_root, execution, command.processes, command.reuse, command.price))
        return
    for module in ("matplotlib", "jinja2"):  # what the report needs is better missed now than after the training
        require(module, "report")
    if command.seeds_at_once < 1:
        raise InputError(f"seeds-at-once={command.seeds_at_once}; allowed: 1 or more")
    folder = command.out or default_folder(plan)
    engine = make_engine(command)
    means = Means(engine, images, command.data_root, execution, command.seeds_at_once, command.reuse)
    say(conduct(plan, folder, means))


def listing() -> str:
    """The ready-made studies, one a line."""
    width = max(map(len, STUDIES))
    return "\n".join(f"{design.name:{width}}  {design.claim}" for design in STUDIES.values())


def planned(command: Study) -> Plan:
    """The study that a command asks for."""
    assert command.name is not None
    design = find_design(command.name)
    if command.data is not None:
        design = design.on(data_name(command.data))
    if command.variants:
        design = design.only(command.variants)
    if command.settings:
        design = design.changed(dict(map(parsed_setting, command.settings)))
    seeds = design.seeds if command.seeds is None else command.seeds
    if seeds < 1:
        raise InputError(f"seeds={seeds}; allowed: 1 or more")
    return Plan(design, command.scale, seeds, design.at(command.scale).data)


def default_folder(plan: Plan) -> Path:
    """Where a study goes if nothing else is said."""
    design: Design = plan.design
    names = [design.name] if design.name == plan.data else [design.name, plan.data]
    return RUNS / "-".join([*names, plan.scale])


def make_engine(command: Study) -> Engine:
    """What carries the jobs out."""
    if command.engine == "ray":
        if command.processes != 1:
            raise InputError(f"processes={command.processes} is for --engine local; Ray has as many tasks as fit")
        from windowconv.lab.studies.execution.ray_engine import OnRay

        gpus = 1 if command.device.startswith("cuda") else 0
        return OnRay(command.address, command.threads or 1, gpus, command.store)
    if command.address != "auto":
        raise InputError(f"address={command.address!r} is for --engine ray")
    if command.store is not None:
        raise InputError(f"store={command.store!r} is for --engine ray; this machine's runs go to --out")
    if command.processes == 1:
        return ThisProcess()
    return Processes(command.processes, command.threads)


def say(done: StudyFolder) -> None:
    """Write the report and print what the study found; an `InputError` if runs failed."""
    failures: dict[str, str] = done.record["failures"]
    if done.finished:
        page = write_report(done)
        table = results_table(done)
        columns = table.headings()
        rows = [[column.text(cell) for column, cell in zip(columns, row, strict=True)] for row in table.rows]
        shown = format_table([c.title for c in columns], rows, [bool(c.numeric) for c in columns])
        print(f"{done.design.claim}\n\n{shown}")
        print("\n" + " ".join(filter(None, [answer(done, findings(done)), baseline_warning(done)])))
        print(f"{done.finished} runs in {duration(done.record['time_s'])}. Report: {page.resolve()}")
    if failures:
        name, reason = next(iter(failures.items()))
        raise InputError(
            f"{len(failures)} of {done.wanted} runs failed twice, such as {name} ({reason}); the others are kept, and "
            "the same command tries these again"
        )


def report_study(folder: Path, export: Path | None) -> None:
    """`windowconv report` of a study with a claim."""
    opened = StudyFolder.open(folder)
    print(f"Report: {write_report(opened).resolve()}")
    if export is not None:
        from windowconv.lab.studies.reports.export import export_study

        print(f"Without weights: {export_study(opened, export).resolve()}")


def parsed_setting(text: str) -> tuple[str, Any]:
    """A setting of all runs as the command line has it, such as epochs=30; its value as `Training` takes it."""
    name, equals, value = text.partition("=")
    name = name.strip().replace("-", "_")
    defaults = Training()
    if not equals:
        raise InputError(f"settings={text!r}; allowed: KEY=VALUE, such as epochs=30")
    if name not in vars(defaults):
        raise unknown("setting", name, vars(defaults))
    try:
        converted = _converted(getattr(defaults, name), value.strip())
    except (ValueError, KeyError):
        raise InputError(f"settings={text!r}: {value!r} is no value of {name.replace('_', '-')}") from None
    return name, converted


def _converted(default: Any, text: str) -> Any:
    """A word as the kind of value that a field's default is; None's are whole numbers."""
    if isinstance(default, bool):
        return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
    if default is None or isinstance(default, int):
        return None if default is None and text.lower() == "none" else int(text)
    if isinstance(default, float):
        return float(text)
    if isinstance(default, tuple):
        return tuple(float(part) for part in text.split(","))
    return text
