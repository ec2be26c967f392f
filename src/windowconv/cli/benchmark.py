"""`windowconv benchmark`: open a network, measure it, print the tables, write the page and JSON."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import torch

from windowconv.benchmark import measure
from windowconv.benchmark.page import as_dict, facts, make_page
from windowconv.benchmark.text import code, layer_table, verdict, whole_table
from windowconv.cli.inspect import constructor_arguments
from windowconv.devices import find_device
from windowconv.errors import InputError
from windowconv.files import replace_file
from windowconv.inspection.inputs import InputOptions, inputs_of
from windowconv.inspection.subject import open_subject
from windowconv.report import Table, write
from windowconv.tables import format_table


def benchmark(
    model: str,
    *,
    batch: int = 8,
    size: int | None = None,
    input_shape: tuple[str, ...] = (),
    inputs: Path | None = None,
    weights: str | None = None,
    model_args: tuple[str, ...] = (),
    seconds: float = 60.0,
    threads: int | None = None,
    device: str = "cpu",
    out: Path | None = None,
) -> None:
    """Measure one network; the arguments are the options of `windowconv benchmark`.

    Raises:
        InputError: an argument outside its range; what `open_subject`, `inputs_of` and `measure.benchmark` raise.
    """
    for name, value in (("batch", batch), ("size", size), ("threads", threads)):
        if value is not None and value < 1:
            raise InputError(f"{name}={value}; allowed: 1 or more")
    options = InputOptions(input_shape, inputs)
    if size is not None and options:
        raise InputError(f"size={size}; allowed: without input-shape and inputs, which have sizes")
    place = find_device(device)
    subject = open_subject(model, weights, constructor_arguments(model_args))
    given = inputs_of(subject if size is None else replace(subject, size=size), options, batch)
    if threads is not None:
        torch.set_num_threads(threads)
    found = measure.benchmark(subject.model.to(place), given, seconds=seconds, progress=_say)
    _print(subject.name, found)
    folder = out or Path("benchmark") / re.sub(r"[^\w.-]+", "-", subject.name)
    content = json.dumps(as_dict(subject.name, found), indent=1, allow_nan=False) + "\n"
    replace_file(folder / "benchmark.json", content.encode())
    if find_spec("jinja2") is None:
        print(f"Written: {(folder / 'benchmark.json').resolve()}; for a page: pip install 'windowconv[report]'")
        return
    write(make_page(subject.name, found), folder / "report.html")
    print(f"Written: {(folder / 'report.html').resolve()}, and benchmark.json in the same folder")


def _print(name: str, found: measure.Benchmark) -> None:
    print(f"{name}: {', '.join(f'{key} {value}' for key, value in facts(found).items())}\n")
    print("\n".join(verdict(phase) for phase in found.phases), end="\n\n")
    measured = [phase for phase in found.phases if not phase.problem]
    for table in [whole_table(measured), *(layer_table(phase) for phase in measured if phase.layers)]:
        print(f"{table.caption}\n{_plain(table)}\n")
    if lines := code(found):
        print("To use it:\n  " + "\n  ".join(lines), end="\n\n")


def _plain(table: Table) -> str:
    columns = table.headings()
    cells = [[column.text(cell) for column, cell in zip(columns, row, strict=True)] for row in table.rows]
    return format_table([column.title for column in columns], cells, [bool(column.numeric) for column in columns])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
