"""A page is one well-formed document that needs nothing from outside, and is written whole or not at all."""

import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from windowconv import plots
from windowconv.errors import InputError
from windowconv.report import Column, Figure, Page, Section, Table, Text, render, write

EVIL = '<script>alert("x")</script>'
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Reader(HTMLParser):
    """Collects a page's tags, ids, links and text, and checks that every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str | None]:
        """The values of `attribute` throughout the page."""
        return [value for _, name, value in self.attributes if name == attribute]


@pytest.fixture(scope="module")
def page() -> Page:
    accuracy = plots.svg(plots.accuracy_by_arm({"3x3": [60.0, 61.0], "7x7": [59.0]}))
    window = plots.svg(plots.window_figure([0.08, 1, 0.08], "hamming"))
    columns = ["arm", Column("accuracy (%)", ".2f"), Column("difference", "+.2f")]
    rows = [["3x3", 60.5, None], [EVIL, 59.0, -1.5]]
    return Page(
        f"A study {EVIL}",
        "What was asked & answered.",
        [
            Section("Results", [Table(f"Accuracy {EVIL}", columns, rows, note="n = 2", sortable=True)], EVIL),
            Section("Results", [Figure(accuracy, "Seeds.", f"Dots {EVIL}"), Figure(window, "Taps.", "Stems")]),
            Section("Again", [Text(f"One.\n\nTwo {EVIL}"), Text(f"train --seed 1\n{EVIL}", code=True)]),
        ],
        {"hardware": "2 cores", EVIL: EVIL, "seeds": 2},
    )


@pytest.fixture(scope="module")
def html(page: Page) -> str:
    return render(page)


def test_the_page_is_well_formed_and_says_everything(html: str):
    reader = Reader(html)
    assert html.startswith("<!DOCTYPE html>")
    for tag, number in {"h1": 1, "main": 1, "nav": 1, "section": 3, "h2": 3, "svg": 2, "table": 1, "pre": 1}.items():
        assert reader.tags[tag] == number, tag
    for text in ("60.50", "−1.50", "n = 2", "Seeds.", "Taps.", "2 cores", "What was asked & answered.", "One."):
        assert text in reader.text


def test_only_our_script_is_a_script_and_the_rest_is_escaped(html: str):
    reader = Reader(html)
    assert reader.tags["script"] == 1
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert") >= 9
    assert f"Dots {EVIL}" in reader.values("aria-label")


def test_nothing_is_fetched_from_outside(html: str):
    reader = Reader(html)
    assert all(
        str(link).startswith(("#", "data:")) for name in ("href", "xlink:href", "src") for link in reader.values(name)
    )
    assert not reader.tags["link"]
    assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", html))
    assert "@import" not in html


def test_ids_are_unique_and_the_contents_lead_to_the_sections(html: str):
    reader = Reader(html)
    ids = reader.values("id")
    assert len(ids) == len(set(ids))
    links = [value for tag, name, value in reader.attributes if (tag, name) == ("a", "href")]
    assert links == ["#section-results", "#section-results-2", "#section-again"]
    assert {str(link)[1:] for link in links} <= set(ids)


def test_numbers_stand_at_the_right_and_carry_their_value(html: str):
    assert '<td class="number" data-value="60.5">60.50</td>' in html
    assert '<th scope="row">3x3</th>' in html
    assert html.count("<button") == 3


def test_a_page_with_nothing_optional_has_nothing_empty():
    reader = Reader(render(Page("t", "l", [Section("s", [Table("c", ["a"], [["b"]])])])))
    for tag in ("nav", "dl", "figcaption", "button"):
        assert reader.tags[tag] == 0


def test_the_same_page_is_the_same_text(page: Page, html: str):
    assert render(page) == html


def test_write_makes_folders_and_leaves_only_the_page(page: Page, html: str, tmp_path: Path):
    path = tmp_path / "deep" / "page.html"
    assert write(page, path) == path
    assert write(page, str(path)) == path
    assert path.read_text(encoding="utf-8") == html
    assert [one.name for one in path.parent.iterdir()] == ["page.html"]


def test_a_failed_write_keeps_the_old_page(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "page.html"
    path.write_text("old")

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        InputError, match=r"page\.html' cannot be written \(No space left on device\); free some space$"
    ):
        write(page, path)
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


def test_places_that_cannot_be_written_are_named(page: Page, tmp_path: Path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "page.html", Path()):
        with pytest.raises(InputError, match=r"^path='.*' cannot be written \(.+\); .+$"):
            write(page, path)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_importing_report_is_light():
    code = "import sys, windowconv.report; print({'matplotlib', 'torch', 'jinja2', 'numpy'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
