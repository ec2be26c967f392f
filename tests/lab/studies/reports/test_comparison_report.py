"""The page of a study without a claim is made from its folder alone, whole, with its tables' very numbers."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

from windowconv import get_window
from windowconv.lab.config import Training
from windowconv.lab.statistics.paired import paired_difference, spread
from windowconv.lab.studies.design.comparison import plan_comparison
from windowconv.lab.studies.execution.engines import ThisProcess
from windowconv.lab.studies.execution.options import StudyOptions
from windowconv.lab.studies.execution.runner import run_study
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.export import export_study
from windowconv.lab.studies.reports.kernel_sections import convolutions
from windowconv.lab.studies.reports.report import write_report
from windowconv.lab.studies.reports.tables import pairs_table, results_table
from windowconv.lab.studies.reports.tuning_tables import tuned_table
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


def make(arms: Sequence[str], seeds: int, settings: Training, folder: Path, rates: Sequence[float] = ()) -> StudyFolder:
    plan = plan_comparison(arms, "gratings", settings, seeds, rates)
    return run_study(plan, folder, StudyOptions(ThisProcess(), "gratings"))


@pytest.fixture(scope="module")
def study(settings: Training, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return make(ARMS, 3, settings, tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def page(study: StudyFolder) -> str:
    path = write_report(study)
    assert path == study.folder / "report.html"
    return path.read_text()


def accuracies(study: StudyFolder, arm: str) -> list[float]:
    return list(study.values(study.design.variant(arm), "accuracy").values())


def test_the_table_has_each_variants_numbers(study: StudyFolder) -> None:
    table = results_table(study)
    titles = [column.title for column in table.headings()]
    against = accuracies(study, "3x3")
    for arm, row in zip(ARMS, table.rows, strict=True):
        held: dict[str, Any] = dict(zip(titles, row, strict=True))
        values = accuracies(study, arm)
        assert (held["variant"], held["seeds"]) == (arm, 3)
        assert (held["test accuracy (%)"], row[3]) == (spread(values).mean, spread(values).sd)
        paired = paired_difference(values, against)
        shown = f"{paired.mean:+.2f} [{paired.low:+.2f}, {paired.high:+.2f}]".replace("-", "−")
        assert held["minus 3x3 [95 % interval]"] == (None if arm == "3x3" else shown)
        model = study.runs(study.design.variant(arm))[0].model()
        assert held["parameters"] == sum(p.numel() for p in model.parameters())
    assert "43 test images" in table.note
    assert "torch" in table.note


def test_differences_are_over_the_seeds_that_both_have(study: StudyFolder, tmp_path: Path) -> None:
    export_study(study, tmp_path)
    record = tmp_path / "3x3-seed1/run.json"
    record.write_text(record.read_text().replace('"finished"', '"running"'))
    cut = StudyFolder.open(tmp_path)
    second, first = accuracies(study, ARMS[1]), accuracies(study, ARMS[0])
    paired = paired_difference([second[0], second[2]], [first[0], first[2]])
    (pairs,) = pairs_table(cut)
    by_seed = ", ".join(f"{second[i] - first[i]:+.2f}" for i in (0, 2))
    assert pairs.rows[0] == [ARMS[1], "3x3", f"{paired.mean:+.2f} ({by_seed})".replace("-", "−")]
    page = write_report(cut).read_text()
    assert "Provisional: 8 of 9 runs are finished." in page
    assert "Kernels of" not in page  # there are no weights


def test_the_page_has_the_tables_very_numbers(page: str, study: StudyFolder) -> None:
    rows = Reader(page).rows
    for table in (results_table(study), *pairs_table(study)):
        for row in table.rows:
            assert [c.text(cell) for c, cell in zip(table.headings(), row, strict=True)] in rows
    for variant in study.design.variants:
        for seed, run in study.runs(variant).items():
            accuracy = f"{100 * run.final()['test_accuracy']:.2f}"
            assert any(row[:4] == [run.folder.name, variant.name, str(seed), accuracy] for row in rows)


def test_the_tables_stand_beside_the_page(page: str, study: StudyFolder) -> None:
    record = json.loads((study.folder / "tables.json").read_text())
    captions = [table["caption"] for table in record["tables"]]
    assert captions == ["Results by variant", "Paired differences of all variants"]
    assert "| 5x5-hamming | 3 |" in (study.folder / "tables.md").read_text()
    assert r"5x5-hamming & 3 &" in (study.folder / "tables.tex").read_text()


def test_the_page_has_each_layers_leakage_over_seeds(page: str, study: StudyFolder) -> None:
    rows = Reader(page).rows
    for variant in study.design.variants:
        runs = [list(convolutions(run.model())) for run in study.runs(variant).values()]
        for layer in range(2):
            name, weights = runs[0][layer][0], [held[layer][2] for held in runs]
            cells = []
            for r in (1 / 8, 1 / 4):
                at = spread([leakage_curve(w, per="pair").mean()[RADII.index(r)].item() for w in weights])
                cells += [f"{at.mean:.3f}", f"{at.sd:.3f}"]
            assert [variant.name, name, *cells, "3"] in rows


def test_the_page_says_where_arms_differ_in_leakage(page: str) -> None:
    rows = [row for row in Reader(page).rows if row[:2] == [ARMS[1], ARMS[0]] and len(row) == 5]
    assert len(rows) == 1
    assert re.fullmatch(r"[+−][\d.]+ \([+−][\d.]+, [+−][\d.]+, [+−][\d.]+\)", rows[0][2])
    assert rows[0][4].count(";") == 2  # three seeds


def test_leakage_is_that_of_the_weight_times_the_window(study: StudyFolder) -> None:
    model = study.runs(study.design.variant("5x5-hamming"))[0].model()
    window = get_window("hamming", (5, 5), dtype=torch.float32)
    for _, layer, weight in convolutions(model):
        torch.testing.assert_close(weight, layer.weight.detach() * window)
        assert not torch.equal(weight, layer.weight)


def test_the_page_is_whole_and_fetches_nothing(page: str, study: StudyFolder) -> None:
    assert page.lower().startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    outside = [link for link in Reader(page).links if not link.startswith(("#", "data:"))]
    assert sorted(outside) == sorted(f"{path.parent.name}/run.json" for path in study.folder.glob("*/run.json"))
    assert not re.search(r"@import|url\((?!['\"]?(#|data:))", page)


def test_the_page_has_every_figure_the_commands_and_the_provenance(page: str, study: StudyFolder) -> None:
    runs = [run for variant in study.design.variants for run in study.runs(variant).values()]
    # dots, leakage, by layer twice, by epoch, two learning curves, two convolutions of each variant, and the runs'
    assert page.count("<svg") == 1 + 1 + 2 + 1 + 2 + 2 * len(ARMS) + len(runs)
    text = unescape(page)
    for arm in ARMS:
        assert f"Kernels of {arm}" + (" before and after the window" if arm != "3x3" else "") in text
    for run in runs:
        assert run.record["command"] in text
        assert run.record["config_hash"] in text
    for entry in ("70 training and 43 test images", "1 thread", study.record["data"]["train_hash"][:12]):
        assert entry in text
    assert "3 seeds, 2 epochs" in text
    assert "So few seeds cannot tell" in text
    assert "laim" not in text
    assert str(study.folder.parent) not in text


def test_a_study_of_one_arm_seed_and_epoch_has_a_page(settings: Training, tmp_path: Path) -> None:
    once = replace(settings, epochs=1, depth=3)
    page = write_report(make(("5x5-hamming-energy",), 1, once, tmp_path)).read_text()
    assert "1 seed, 1 epoch," in page
    assert "One seed cannot tell" in page
    assert "nan" not in " ".join(c for row in Reader(page).rows for c in row)


def test_the_page_can_be_made_again_from_the_folder(study: StudyFolder, page: str) -> None:
    again = write_report(StudyFolder.open(study.folder)).read_text()
    assert Reader(again).rows == Reader(page).rows


def test_an_end_of_the_tried_rates_is_pointed_out(settings: Training, tmp_path: Path) -> None:
    study = make(("3x3",), 1, replace(settings, val_fraction=0.25), tmp_path, (0.01, 0.1, 0.4))
    values = {"0.01": 0.5, "0.1": 0.6, "0.4": 0.7}
    study.record["searched"]["3x3"], study.record["tuned"]["3x3"] = values, 0.4
    (table,) = tuned_table(study)
    assert table.rows == [
        ["3x3", "lr", "0.01: 50.00, 0.1: 60.00, 0.4: 70.00", "0.4 (the largest tried: try beyond it)"]
    ]
    study.record["tuned"]["3x3"] = 0.1
    assert tuned_table(study)[0].rows[0][3] == "0.1"
    assert "Settings tuned before the runs" in write_report(study).read_text()
