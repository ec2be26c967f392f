"""The report is made from the run folders alone, whole, with the table's very numbers and every figure."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from windowconv import get_window
from windowconv.lab.config import Training
from windowconv.lab.data import ImageData
from windowconv.lab.statistics.paired import paired_difference, spread
from windowconv.lab.statistics.tables import difference
from windowconv.lab.studies.grid.report import convolutions, results_table, write_report
from windowconv.lab.studies.grid.study import Study, StudyResult, run_study
from windowconv.spectra import leakage_curve
from windowconv.spectra.curve import RADII

ARMS = ("3x3", "5x5-hamming", "7x7-learnable-kaiser")


class Reader(HTMLParser):
    """A page's tables as rows of text, and the addresses that it would fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self.cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self.cell = tag in ("td", "th") or (self.cell and tag not in ("table", "p", "figure"))
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href", "action") and value]

    def handle_endtag(self, tag: str) -> None:
        self.cell = self.cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.rows[-1][-1] += data.strip()


def make(arms: tuple[str, ...], seeds: int, settings: Training, data: ImageData, folder: Path) -> StudyResult:
    return run_study(Study("gratings", arms, seeds, settings), data, folder)


@pytest.fixture(scope="module")
def result(settings: Training, tiny: ImageData, tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    return make(ARMS, 3, settings, tiny, tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def page(result: StudyResult) -> str:
    path = write_report(result)
    assert path == result.folder / "report.html"
    return path.read_text()


def test_the_table_has_each_arms_figures(result: StudyResult) -> None:
    table = results_table(result)
    titles = [column.title for column in table.headings()]
    assert titles[0] == "arm"
    assert "minus 3x3 [95 % interval]" in titles
    against = result.accuracies("3x3")
    for arm, row in zip(ARMS, table.rows, strict=True):
        values = result.accuracies(arm)
        assert row[:2] == [arm, spread(values).mean]
        assert row[2] == f"{spread(values).sd:.2f}"
        assert row[3] == 3
        paired = paired_difference(values, against)
        shown = f"{paired.mean:+.2f} [{paired.low:+.2f}, {paired.high:+.2f}]".replace("-", "−")
        assert row[4] == (None if arm == "3x3" else shown)
        assert row[5] == sum(p.numel() for p in result.run(arm, 0).model().parameters())
    assert "43 test images" in table.note
    assert "torch" in table.note


def test_few_seeds_have_no_interval():
    assert difference([2.0], [1.0]) == "+1.00"
    assert difference([2.0, 1.0], [1.0, 3.0]) == "−0.50 (+1.00, −2.00)"
    paired = paired_difference([2.0, 1.0, 4.0], [1.0, 3.0, 2.0])
    shown = f"{paired.mean:+.2f} [{paired.low:+.2f}, {paired.high:+.2f}]".replace("-", "−")
    assert difference([2.0, 1.0, 4.0], [1.0, 3.0, 2.0]) == shown


def test_the_page_has_the_tables_very_numbers(page: str, result: StudyResult) -> None:
    rows = Reader(page).rows
    table = results_table(result)
    for row in table.rows:
        assert [c.text(cell) for c, cell in zip(table.headings(), row, strict=True)] in rows
    for arm in ARMS:
        for run in result.runs(arm):
            accuracy, seed = f"{100 * run.final()['test_accuracy']:.2f}", str(run.record["seed"])
            assert any(r[:5] == [arm, seed, run.folder.name, f"{run.config.lr:g}", accuracy] for r in rows)


def test_the_page_has_each_layers_leakage_over_seeds(page: str, result: StudyResult) -> None:
    rows = Reader(page).rows
    for arm in ARMS:
        for layer in range(2):
            weights = [list(convolutions(run.model()))[layer][2] for run in result.runs(arm)]
            cells = []
            for r in (1 / 8, 1 / 4):
                at = spread([leakage_curve(w, per="pair").mean()[RADII.index(r)].item() for w in weights])
                cells += [f"{at.mean:.3f}", f"{at.sd:.3f}"]
            assert [arm, f"conv{layer + 1}", *cells, "3"] in rows


def test_the_page_says_where_arms_differ_in_leakage(page: str) -> None:
    rows = [row for row in Reader(page).rows if row[:2] == [ARMS[1], ARMS[0]] and len(row) == 5]
    assert len(rows) == 1
    assert re.fullmatch(r"[+−][\d.]+ \([+−][\d.]+, [+−][\d.]+, [+−][\d.]+\)", rows[0][2])
    assert rows[0][4].count(";") == 2  # three seeds


def test_leakage_is_that_of_the_weight_times_the_window(result: StudyResult) -> None:
    model = result.run("5x5-hamming", 0).model()
    window = get_window("hamming", (5, 5), dtype=torch.float32)
    for _, layer, weight in convolutions(model):
        torch.testing.assert_close(weight, layer.weight.detach() * window)
        assert not torch.equal(weight, layer.weight)


def test_the_page_is_whole_and_fetches_nothing(page: str) -> None:
    assert page.lower().startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert all(link.startswith(("#", "data:")) for link in Reader(page).links)
    assert not re.search(r"@import|url\((?!['\"]?(#|data:))", page)


def test_the_page_has_every_figure_the_commands_and_the_facts(page: str, result: StudyResult) -> None:
    assert page.count("<svg") == 3 + 4 + 2 * len(ARMS)  # accuracy, leakage, two convolutions an arm
    text = unescape(page)
    for arm in ARMS:
        assert f"Kernels of {arm}" + (" before and after the window" if arm != "3x3" else "") in text
        for run in result.runs(arm):
            assert run.record["command"] in text
            assert run.record["config_hash"] in text
    for fact in ("70 training and 43 test images", "1 thread", result.record["data"]["train_hash"][:12]):
        assert fact in text
    assert "3 seeds, 2 epochs" in text
    assert "So few seeds cannot tell" in text
    assert str(result.folder.parent) not in text


def test_a_study_of_one_arm_seed_and_epoch_has_a_page(settings: Training, tiny: ImageData, tmp_path: Path) -> None:
    once = replace(settings, epochs=1, depth=3)
    page = write_report(make(("5x5-hamming-energy",), 1, once, tiny, tmp_path)).read_text()
    assert "1 seed, 1 epoch," in page
    assert "One seed cannot tell" in page
    assert "nan" not in " ".join(c for row in Reader(page).rows for c in row)


def test_the_page_can_be_made_again_from_the_folder(result: StudyResult, page: str) -> None:
    again = write_report(StudyResult.open(result.folder)).read_text()
    assert Reader(again).rows == Reader(page).rows
