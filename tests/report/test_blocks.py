"""Tables know their columns and format their numbers; blocks refuse what cannot be shown."""

import numpy as np
import pytest

from windowconv.errors import InputError
from windowconv.report import Column, Figure, Table, Text


@pytest.mark.parametrize(
    ("column", "cell", "text"),
    [
        (Column("n"), 14500000, "14,500,000"),
        (Column("n"), np.int64(1000), "1,000"),
        (Column("x"), 0.123456, "0.1235"),
        (Column("x", ".2f"), 93, "93.00"),
        (Column("x", "+.2f"), -1.813, "−1.81"),
        (Column("x", ".1%"), np.float32(0.25), "25.0%"),
        (Column("x", ".2f"), "93.2 to 94", "93.2 to 94"),
        (Column("x"), None, "–"),
        (Column("x"), True, "True"),
        (Column("x"), float("nan"), "nan"),
    ],
)
def test_cells_are_formatted(column, cell, text):
    assert column.text(cell) == text


def test_columns_are_numeric_where_their_cells_are_or_where_said():
    columns = ["arm", "x", "mixed", "none", Column("±", numeric=True), "flag"]
    rows = [["3x3", 1, 1, None, "1 ± 2", True], ["7x7", None, "a", None, "3 ± 4", False]]
    table = Table("t", columns, rows)
    assert [column.numeric for column in table.headings()] == [False, True, False, False, True, False]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Table("Sizes", [], []), "'Sizes' has no columns"),
        (lambda: Table("Sizes", ["a", "b"], [[1, 2], [1]]), "row 2 has 1 cells; allowed: 2"),
        (lambda: Figure("<p>no</p>", "c", "a"), "allowed: one <svg> element"),
        (lambda: Figure("<svg></svg>", "c", " "), "alt=''"),
    ],
)
def test_what_cannot_be_shown_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_text_splits_into_paragraphs():
    assert Text("one\nline\n\n\ntwo\n").paragraphs() == ["one\nline", "two"]
