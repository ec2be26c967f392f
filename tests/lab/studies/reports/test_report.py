"""The report is whole, its numbers are the study's, every run leads to its curves, and it works without weights."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from windowconv.errors import InputError
from windowconv.lab.studies.design.catalogue import STUDIES
from windowconv.lab.studies.design.design import Contrast, Design, Variant
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports import evidence, tables
from windowconv.lab.studies.reports.analysis import analyse
from windowconv.lab.studies.reports.evidence_page import NOT_RUN
from windowconv.lab.studies.reports.export import export_study
from windowconv.lab.studies.reports.provenance import provenance
from windowconv.lab.studies.reports.report import write_report
from windowconv.lab.studies.reports.tables import all_tables, contrasts_table, further_table, results_table
from windowconv.lab.studies.reports.verdict_text import verdict_text

Written = Callable[..., StudyFolder]
CHECKOUT = Path(__file__).parents[4]


class Reader(HTMLParser):
    """A page's links and ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [given[name] or "" for name in ("href", "src") if name in given]
        self.ids += [given["id"] or ""] if "id" in given else []


@pytest.fixture
def done(design: Design, carry_out: Callable[..., StudyFolder]) -> StudyFolder:
    return carry_out(replace(design, measures=("leakage", "shift")))


def test_the_page_is_whole_and_every_run_leads_to_its_curves(done: StudyFolder) -> None:
    path = write_report(done)
    page = path.read_text()
    read = Reader(page)
    runs = [f"{v.folder}-seed{seed}" for v in done.design.variants for seed in (0, 1)]
    for name in runs:
        assert f"#run-{name}" in read.links
        assert f"run-{name}" in read.ids
        assert f"{name}/run.json" in read.links
        assert (path.parent / name / "run.json").is_file()
    outside = [link for link in read.links if not link.startswith(("#", "data:"))]
    assert sorted(outside) == sorted(f"{name}/run.json" for name in runs)
    assert len(read.ids) == len(set(read.ids))
    found = analyse(done)
    assert found.primary is not None
    assert found.primary.effect is not None
    for text in (
        done.design.claim,
        verdict_text(done, found),
        "shift consistency",
        f"{found.primary.effect.mean:+.2f}",
    ):
        assert text.replace("-", "−") in page.replace("-", "−").replace("&#39;", "'")
    # two of contrasts, dots, leakage, by layer twice, by epoch, two curves, two convolutions of two arms, and the runs'
    assert page.count("<svg") == 2 + 1 + 1 + 3 + 2 + 2 * 2 + len(runs)
    assert str(done.folder.parent) not in page


def test_the_page_summarises_every_contrast(written: Written) -> None:
    figures: dict[str, list[float | None]] = {
        "3x3": [90.0, 90.1, 90.0],
        "5x5": [93.0, 93.1, 92.9],
        "5x5-hamming": [91.0, 91.2, 91.0],
    }
    page = write_report(written(figures)).read_text()
    above = "above 0: test accuracy (%): 5x5-hamming minus 3x3 (+1.03)"
    below = "below 0: test accuracy (%): 5x5-hamming minus 5x5 (−1.93)"
    assert f"Contrasts by their 95 % intervals: {above}; {below}; interval includes 0: " in page


def test_attacks_have_their_curves_and_their_meaning(written: Written, design: Design) -> None:
    study = written(
        {"3x3": [90.0] * 2, "5x5": [90.0] * 2, "5x5-hamming": [91.0] * 2}, replace(design, measures=("attacks",))
    )
    assert "Accuracy under attack" not in write_report(study).read_text()  # not measured yet
    figures = {
        "accuracy": 0.5,
        "clean": 0.9,
        "images": 500,
        "budget": 2 / 255,
        "budgets": [1 / 255, 2 / 255],
        "curve": [0.7, 0.5],
        "attacks": ["fgsm", "pgd-20"],
    }
    record = {"schema_version": 1, "name": "attacks", "figures": figures}
    for folder in study.folder.glob("*-seed*"):
        (folder / "evaluations/attacks.json").write_text(json.dumps(record))
    page = write_report(StudyFolder.open(study.folder)).read_text()
    assert "Accuracy under attack: fgsm and pgd-20" in page
    assert "500 test images, each changed by up to 2/255 (L∞) by whichever is worse" in page


def test_many_commits_are_counted(written: Written) -> None:
    study = written({"3x3": [90.0] * 5, "5x5": [90.0] * 5, "5x5-hamming": [91.0] * 5})
    assert provenance(study)["commits of the runs"] == "c" * 12
    for path in study.folder.glob("*/run.json"):
        record = json.loads(path.read_text())
        record["git"] = {"commit": f"{record['seed']}" * 40, "dirty": record["seed"] == 4}
        path.write_text(json.dumps(record))
    named = provenance(StudyFolder.open(study.folder))["commits of the runs"]
    assert named == "5, from 000000000000 to 444444444444 (with changes); each run's own is in its run.json"


def test_tables_stand_beside_the_page_in_three_forms(done: StudyFolder) -> None:
    write_report(done)
    record = json.loads((done.folder / "tables.json").read_text())
    assert (record["claim"], record["verdict"]) == (done.design.claim, verdict_text(done, analyse(done)))
    assert [table["caption"] for table in record["tables"]] == ["Prespecified contrasts", "Results by variant"]
    table = results_table(done, times=False)
    assert record["tables"][1]["rows"] == [list(row) for row in table.rows]
    markdown, latex = (done.folder / "tables.md").read_text(), (done.folder / "tables.tex").read_text()
    for row in contrasts_table(done, analyse(done)).rows:
        assert f"| {row[0]} | {row[1]} |" in markdown
    labels = ["prespecified-contrasts", "prespecified-contrasts-compact", "results-by-variant"]
    assert re.findall(r"\\label\{tab:(.*)\}", latex) == [*labels, "results-by-variant-compact"]
    assert r"5x5-hamming & 2 & " in latex


def test_an_export_has_no_weights_and_the_same_tables(done: StudyFolder, tmp_path: Path) -> None:
    write_report(done)
    target = export_study(done, tmp_path / "results/s")
    files = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert "3x3-seed0/evaluations/leakage.json" in files
    assert {path.rpartition(".")[2] for path in files} == {"json", "jsonl", "md", "tex"}
    assert '"step"' not in (target / "3x3-seed0/metrics.jsonl").read_text().partition('"kind": "step"')[1]
    again = StudyFolder.open(target)
    write_report(again)
    for name in ("tables.md", "tables.tex", "tables.json"):
        assert (target / name).read_bytes() == (done.folder / name).read_bytes()
    titles = [re.findall(r"<h2>(.*?)</h2>", (s.folder / "report.html").read_text()) for s in (done, again)]
    assert [title for title in titles[0] if not title.startswith("Kernels")] == titles[1]
    export_study(done, target)  # as runs come


def test_many_metrics_go_into_a_table_of_their_own(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SHOWN", 2)
    study = written({"3x3": [90.0], "5x5": [90.0], "5x5-hamming": [91.0]})
    (further,) = further_table(study)
    assert further.rows == [[name, pytest.approx(60.0), None] for name in ("3x3", "5x5", "5x5-hamming")]
    assert [table.caption for table in all_tables(study, analyse(study))][1:] == ["Results by variant", further.caption]


def test_an_export_is_small(written: Written, tmp_path: Path) -> None:
    study = written({"3x3": [90.0], "5x5": [90.0], "5x5-hamming": [91.0]})
    target = export_study(study, tmp_path / "e")
    assert sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) < 60_000


def test_a_study_that_is_not_done_has_a_provisional_report(written: Written) -> None:
    study = written({"3x3": [90.0, None], "5x5": [90.0, None], "5x5-hamming": [None, 91.0]})
    page = write_report(study).read_text()
    assert "No verdict: no seed has all runs of the primary contrast yet; 3 of 3 arms, 0 of 2 seeds." in page
    assert "3 of 6" in page


def test_it_names_the_machines_of_the_runs(done: StudyFolder) -> None:
    path = next(done.folder.glob("*-seed1/run.json"))
    record = json.loads(path.read_text())
    record["environment"]["device"] = "Another Machine"  # as of a run that was reused
    path.write_text(json.dumps(record))
    own = done.record["environment"]["device"]
    assert set(done.environment("device").split(", ")) == {own, "Another Machine"}
    assert "Another Machine" in write_report(done).read_text()


def test_a_study_without_a_run_has_none(written: Written) -> None:
    study = written({"3x3": [None], "5x5": [None], "5x5-hamming": [None]})
    with pytest.raises(InputError, match="none of its 3 runs is finished yet"):
        write_report(study)


def test_failures_and_more_variants_than_colours_are_shown(written: Written, design: Design) -> None:
    many = tuple(Variant("3x3", (("depth", n),)) for n in range(2, 18))
    made = replace(design, variants=(*design.variants, *many))
    study = written({variant.name: [90.0, 90.5] for variant in made.variants}, made)
    study.record["failures"]["5x5-seed7"] = "its process died (killed by SIGKILL)"
    page = write_report(study).read_text()
    assert "Failed runs" in page
    assert "its process died (killed by SIGKILL)" in page
    assert "3x3 depth=17" in page


# the evidence, generated


@pytest.fixture
def checkout(tmp_path: Path, written: Written, design: Design) -> Path:
    """A checkout with one exported study of the catalogue's, and one at the scale smoke."""
    made = replace(
        design,
        name="mechanism",
        variants=(Variant("3x3"), Variant("7x7"), Variant("7x7-hamming")),
        primary=Contrast(("7x7-hamming",), ("3x3",)),
        secondary=(Contrast(("7x7-hamming",), ("7x7",)), Contrast(("7x7-hamming",), ("3x3",), "leakage")),
    )
    values = {"3x3": [90.0, 90.2, 90.1], "7x7": [90.0, 90.1, 90.3], "7x7-hamming": [91.0, 91.3, 91.1]}
    written(values, made, name="results/studies/mechanism-tiny-small")
    written(values, made, name="results/studies/mechanism-tiny-smoke", scale="smoke")
    for name in ("README.md", "docs/reproduce.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"# T\n\n{evidence.BEGIN}\nstale\n{evidence.END}\n\n## More\n")
    return tmp_path


def test_evidence_says_what_was_found_and_what_was_not_run(checkout: Path) -> None:
    tables = [f"results/studies/mechanism-tiny-small/tables.{kind}" for kind in ("md", "tex", "json")]
    assert evidence.out_of_step(checkout) == ["docs/evidence.md", "docs/reproduce.md", "README.md", *tables]
    evidence.write_evidence(checkout)
    assert evidence.out_of_step(checkout) == []
    page, readme = (checkout / "docs/evidence.md").read_text(), (checkout / "README.md").read_text()
    assert "The claim is not settled; the interval lies above 0: +1.03 percentage points" in page
    above = "test accuracy (%): 7x7-hamming minus 3x3 (+1.03), test accuracy (%): 7x7-hamming minus 7x7 (+1.00)"
    assert f"`mechanism-tiny-small`: above 0: {above}" in page
    claims = [name for name, design in STUDIES.items() if design.claim]  # the others decide nothing
    assert all(name in page for name in claims)
    assert page.count(f"*{NOT_RUN}*") == len(claims) - 1
    assert "7x7 kernels with a Hamming window beat plain 7x7 kernels on gratings (+1.00 [" in readme
    assert "smoke" not in page + readme
    assert all(f"`{name}`" in readme for name in claims if name != "mechanism")
    assert readme.startswith("# T\n")
    assert readme.endswith("## More\n")
    assert "stale" not in readme


def test_a_page_out_of_step_is_noticed(checkout: Path) -> None:
    evidence.write_evidence(checkout)
    path = checkout / "results/studies/mechanism-tiny-small/7x7-hamming-seed0/evaluations/test.json"
    path.write_text(path.read_text().replace("0.91", "0.94"))
    wrong = evidence.out_of_step(checkout)
    assert {"docs/evidence.md", "README.md", "results/studies/mechanism-tiny-small/tables.md"} <= set(wrong)


def test_a_readme_without_the_marks_is_refused(checkout: Path) -> None:
    (checkout / "README.md").write_text("# T\n")
    with pytest.raises(InputError, match=r"the marks .* are missing"):
        evidence.out_of_step(checkout)


def test_this_checkouts_evidence_is_in_step() -> None:
    assert evidence.out_of_step(CHECKOUT) == []
