"""docs/compatibility.md says what the tests say."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def table() -> Any:
    spec = importlib.util.spec_from_file_location("compatibility_table", Path(__file__).with_name("table.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # which dataclasses look up
    spec.loader.exec_module(module)
    return module


def documented(table: Any) -> set[tuple[str, str, str]]:
    """(library, what, note) of each line of the page's table."""
    inside = table.PAGE.read_text(encoding="utf-8").split(table.BEGIN)[1].split(table.END)[0]
    lines = [line for line in inside.splitlines() if line.startswith("| ")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {(library, what, note) for library, what, _, note in cells}


def test_the_page_has_the_rows_of_the_tests(table):
    marked = {(row.library, row.what, row.note) for row in table.marked_rows()}
    assert marked == documented(table), "run `make compatibility`"


def test_what_is_refused_or_folded_is_not_called_working(table):
    page = table.PAGE.read_text(encoding="utf-8")
    for row in table.marked_rows():
        assert row.outcome in ("works", "works after fold", "refused")
        assert row.line() in page or f"| {row.library} | {row.what} | not tried here" in page


def test_a_row_is_written_when_its_tests_passed(table):
    row = next(iter(table.marked_rows()))
    assert row.line() in list(table.table({row: {"passed", "needs a GPU"}}))
    assert row.line("needs a GPU") in list(table.table({row: {"needs a GPU"}}))
    assert row.line("its library is not installed") in list(table.table({}))
