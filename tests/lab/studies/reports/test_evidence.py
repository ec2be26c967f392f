"""The evidence's parts: sets of shared runs, the paper's claims, what was withdrawn, failed runs, honest limits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from windowconv.lab.recipes import RECIPES
from windowconv.lab.studies.design.design import Association, Design, arms, minus
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.entries import Entry, read_evidence
from windowconv.lab.studies.reports.evidence_page import page
from windowconv.lab.studies.reports.later_checks import later_checks
from windowconv.lab.studies.reports.paper_claims import paper_claims
from windowconv.lab.studies.reports.run_sets import independent_sets, rests_on

Written = Callable[..., StudyFolder]
CHECKOUT = Path(__file__).parents[4]
LOW = [90.0, 90.2, 90.1, 90.3, 90.0, 90.1]
HIGH = [91.0, 91.3, 91.1, 91.2, 91.0, 91.0]


@pytest.fixture
def window(design: Design, monkeypatch: pytest.MonkeyPatch) -> Design:
    """7x7-hamming minus 7x7."""
    monkeypatch.setitem(RECIPES, "tiny-strong", RECIPES["tiny-small"])
    return replace(design, variants=arms("7x7", "7x7-hamming"), primary=minus("7x7-hamming", "7x7"), secondary=())


def test_studies_that_share_runs_are_one_set(written: Written, window: Design) -> None:
    values = {"7x7": LOW, "7x7-hamming": HIGH}
    first, second = written(values, window, name="a"), written(values, window, name="b")  # the same runs
    other = written(values, window.changed({"lr": 0.2}), name="c")
    entries = [Entry(study) for study in (first, other, second)]
    assert [[entry.name for entry in each] for each in independent_sets(entries)] == [["c"], ["a", "b"]]
    assert rests_on(entries[0], entries) == "Shares runs with b (12 of 12)."
    assert rests_on(entries[1], entries) == ""


def test_the_papers_claims_have_verdicts_where_a_study_decides(written: Written, window: Design) -> None:
    values = {"7x7": LOW, "7x7-hamming": HIGH}
    small = written({name: held[:3] for name, held in values.items()}, window, name="s", data="cifar10")
    strong = written(values, window, name="t", data="cifar10", scale="strong")
    table = paper_claims([Entry(small), Entry(strong)], "../")
    row = next(line for line in table.splitlines() if line.startswith("| … because of the window. | CIFAR-10 | "))
    assert "| not settled yet: +1.03 [" in row
    assert "**holds**: +0.98 [" in row
    assert "[6 seeds](../results/studies/t/tables.md)" in row
    assert "| … because of the window. | ImageNet | not run | not run |" in table


def test_what_a_later_check_does_not_bear_out_is_withdrawn(written: Written, design: Design) -> None:
    names = ("3x3", "5x5", "7x7", "7x7-hamming", "7x7-shuffled", "7x7-hamming-params")
    made = replace(
        design,
        name="leakage-and-accuracy",
        variants=arms(*names),
        primary=Association("leakage", names),
        secondary=(),
    )
    leakage = {name: [30.0, 31.0, 29.0, 30.5, 32.0, 28.0] for name in names}
    flat = {name: [90.0, 90.1, 90.1, 90.0, 90.05, 90.0] for name in names}
    (said,) = later_checks(written(flat, made, leakage=leakage))
    assert "Withdrawn: it is not said that networks of one arm classify better" in said
    steep = {name: [90 - (value - 30) for value in leakage[name]] for name in names}
    steep["3x3"][0] += 0.01
    (said,) = later_checks(written(steep, made, name="t", leakage=leakage))
    assert "Withdrawn" not in said


def test_failed_runs_are_on_the_page_and_times_are_not(written: Written, window: Design, tmp_path: Path) -> None:
    named = replace(window, name="mechanism")
    study = written({"7x7": [*LOW, 90.0], "7x7-hamming": [*HIGH, None]}, named, name="results/studies/m")
    path = study.folder / "study.json"
    path.write_text(path.read_text().replace('"failures": {}', '"failures": {"7x7-hamming-seed6": "the loss is nan"}'))
    text = page(read_evidence(tmp_path))
    assert "| 7x7-hamming-seed6 | the loss is nan |" in text
    assert "2 of 2 arms, 6 of 7 seeds" in text
    assert "The claim is not settled; the interval lies above 0" in text
    assert "time of a run" not in text


@pytest.mark.slow
def test_the_first_evidence_decides_nothing() -> None:
    found = read_evidence(CHECKOUT)
    entries = [entry for studies in found.values() for entry in studies if not entry.is_strong]
    assert len(entries) == 15
    assert not any(entry.standing.decides for entry in entries)
    assert len(independent_sets(entries)) == 4
    by_name = {entry.name: entry for entry in entries}
    assert str(by_name["kernel-size-fashion-mnist-small"].standing) == "5 of 10 arms, 8 of 8 seeds"
    assert str(by_name["cifar10-small"].standing) == "3 of 6 arms, 3 of 8 seeds"
    text = page(found)
    assert text.index("**Limits.**") < text.index("- **Kernel size.**") < text.index("## The paper's claims")
    assert "The claim holds" not in text.partition("## window-family")[0]
