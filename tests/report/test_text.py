"""Tables as Markdown and JSON have the page's very cells, and nothing in them is taken for markup."""

import json

import pytest

from windowconv.errors import InputError
from windowconv.report import Column, Figure, Link, Page, Section, Table, as_json, as_markdown, render

COLUMNS = ["arm", Column("accuracy (%)", ".2f"), Column("minus 3x3", numeric=True), "run"]
ROWS = [
    ["3x3", 93.214, None, Link("3x3-seed0", "#run-3x3-seed0")],
    ["7x7_a|b", -1.5, "−1.50 [−2.00, −1.00]", Link("b", "b/run.json")],
]
TABLE = Table("Accuracy & more", COLUMNS, ROWS, note="100% of 5 seeds.")


def test_markdown() -> None:
    assert as_markdown(TABLE).splitlines() == [
        "**Accuracy & more**",
        "",
        "| arm | accuracy (%) | minus 3x3 | run |",
        "| :--- | ---: | ---: | :--- |",
        "| 3x3 | 93.21 | – | 3x3-seed0 |",
        "| 7x7_a\\|b | −1.50 | −1.50 [−2.00, −1.00] | b |",
        "",
        "100% of 5 seeds.",
    ]


def test_markdown_holds_no_markup_of_names() -> None:
    assert "<" not in as_markdown(Table("<script>", ["<b>"], [["<img src=x onerror=alert(1)>"]], "<i>"))


def test_json_has_the_numbers_themselves() -> None:
    found = json.loads(json.dumps(as_json(TABLE)))
    assert found["rows"][0] == ["3x3", 93.214, None, "3x3-seed0"]
    assert (found["caption"], found["columns"]) == ("Accuracy & more", ["arm", "accuracy (%)", "minus 3x3", "run"])


def test_links_lead_to_figures_and_files() -> None:
    figure = Figure("<svg></svg>", "c", "alt", anchor="run-3x3-seed0")
    page = render(Page("t", "l", [Section("s", [TABLE, figure])]))
    assert '<a href="#run-3x3-seed0">3x3-seed0</a>' in page
    assert '<a href="b/run.json">b</a>' in page
    assert '<figure id="run-3x3-seed0">' in page
    assert "<figure>\n" in render(Page("t", "l", [Section("s", [Figure("<svg></svg>", "c", "alt")])]))


@pytest.mark.parametrize("target", ["javascript:alert(1)", "http://x", "//x", ""])
def test_links_stay_in_the_report(target: str) -> None:
    with pytest.raises(InputError, match=r"target=.*; allowed: #anchor, or a relative path"):
        Link("x", target)


@pytest.mark.parametrize("anchor", ["a b", 'a"b'])
def test_anchors_are_plain(anchor: str) -> None:
    with pytest.raises(InputError, match="anchor="):
        Figure("<svg></svg>", "c", "alt", anchor=anchor)
