"""Which studies may decide: designed and committed before the first run, of clean code, carried out whole."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from windowconv.errors import InputError
from windowconv.lab.runs import environment
from windowconv.lab.studies.design import catalogue
from windowconv.lab.studies.design.design import Contrast, Design, minus
from windowconv.lab.studies.design.plan import Plan
from windowconv.lab.studies.execution.options import StudyOptions
from windowconv.lab.studies.execution.registration import register
from windowconv.lab.studies.execution.runner import run_study
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import analyse
from windowconv.lab.studies.reports.verdict_text import verdict_text
from windowconv.lab.studies.standing import Standing, standing

Written = Callable[..., StudyFolder]
LATER = "2026-11-27T00:00:00+00:00"
DIRTY = {"commit": "c" * 40, "dirty": True}
BETTER = {
    "3x3": [90.0, 90.2, 90.1, 90.3, 90.0, 90.1],
    "5x5": [90.0] * 6,
    "5x5-hamming": [91.0, 91.3, 91.1, 91.2, 91, 91],
}


def edit(study: StudyFolder, name: str, **values: Any) -> StudyFolder:
    """The study with other values in a file of its folder."""
    path = study.folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return StudyFolder.open(study.folder)


def test_a_study_that_was_carried_out_as_designed_decides(written: Written) -> None:
    study = written(BETTER)
    assert standing(study) == Standing((3, 3), (6, 6), (), ())
    assert str(standing(study)) == "3 of 3 arms, 6 of 6 seeds"
    assert verdict_text(study, analyse(study)).startswith("The claim holds: +0.98")


def test_without_a_committed_design_it_is_exploratory(written: Written) -> None:
    study = written(BETTER)
    registered = study.record["registered"]
    for change, reason in (
        (None, "no commit with its design is on record from before the first run"),
        ({**registered, "commit": None}, "its design was in no commit before the first run"),
        ({**registered, "code": None}, "its design was in no commit before the first run"),
        ({**registered, "code": DIRTY}, "the code had uncommitted changes at its start"),
        (
            {**registered, "committed": LATER},
            "18 of 18 runs are older than the commit of the design",
        ),
    ):
        found = edit(study, "study.json", registered=change)
        assert standing(found).exploratory == (reason,)
        said = verdict_text(found, analyse(found))
        assert said.startswith("Exploratory, no verdict; the interval lies above 0: +0.98")
        assert "holds" not in said
        assert said.endswith(f"Exploratory because {reason}.")


def test_runs_of_changed_code_make_it_exploratory(written: Written) -> None:
    study = written(BETTER)
    edit(study, "3x3-seed2/run.json", git=DIRTY)
    found = edit(study, "5x5-seed0/run.json", git=None)
    assert sorted(standing(found).exploratory) == [
        "1 of 18 runs are of an installed package, whose commit is unknown",
        "1 of 18 runs are of code with uncommitted changes",
    ]


def test_arms_and_seeds_that_are_missing_leave_it_unsettled(written: Written, design: Design) -> None:
    study = written({**BETTER, "5x5": [90.0] * 5 + [None]})
    assert standing(study).unfinished == (
        "only 5 of 6 seeds are finished in every arm",
        "a verdict needs 6 seeds",
    )
    said = verdict_text(study, analyse(study))
    assert said.startswith("The claim is not settled; the interval lies above 0: +0.98")
    assert "3 of 3 arms, 5 of 6 seeds." in said
    without = design.only(("3x3", "5x5-hamming"))
    study = written({name: BETTER[name] for name in ("3x3", "5x5-hamming")}, without, name="t")
    registered = written(BETTER, name="u").record["registered"]
    found = edit(study, "study.json", registered=registered)
    assert standing(found) == Standing((2, 3), (6, 6), (), ("without 5x5",))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"smallest": 0.1}, "smallest effect of interest"),
        ({"primary": Contrast(("5x5",), ("3x3",))}, "primary contrast"),
        ({"secondary": ()}, "secondary contrasts"),
        ({"changes": (("lr", 0.2),)}, "settings"),
        ({"equivalent": (minus("5x5", "3x3"),)}, "claims of no difference"),
        ({"claim": "Another."}, "claim"),
    ],
)
def test_another_design_than_the_registered_one_is_exploratory(
    change: dict[str, Any], word: str, written: Written, design: Design
) -> None:
    registered = written(BETTER).record["registered"]
    study = written(BETTER, replace(design, **change), name="t")
    found = edit(study, "study.json", registered=registered)
    assert standing(found).exploratory == (f"it differs from its design in: {word}",)


def test_measures_may_be_added(written: Written, design: Design) -> None:
    registered = written(BETTER).record["registered"]
    study = written(BETTER, replace(design, measures=("leakage", "shift")), name="t")
    assert standing(edit(study, "study.json", registered=registered)).decides


def test_more_seeds_than_designed_are_exploratory(written: Written, design: Design) -> None:
    study = written(BETTER)
    record = study.record["registered"]
    found = edit(study, "study.json", registered={**record, "design": {**record["design"], "seeds": 5}})
    assert standing(found).exploratory == ("it has 6 seeds, 5 were designed",)


@pytest.fixture
def in_catalogue(design: Design, monkeypatch: pytest.MonkeyPatch) -> Design:
    """The design, as if it stood in a file of the catalogue."""
    monkeypatch.setitem(catalogue.STUDIES, design.name, design)
    path = Path(catalogue.__file__)
    monkeypatch.setattr("windowconv.lab.studies.execution.registration.design_file", lambda name: path)
    return design


def test_the_commit_of_the_design_is_recorded_before_the_first_run(
    in_catalogue: Design, options: StudyOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = register(Plan.of(in_catalogue, "small"))
    assert found is not None
    code = environment.git_commit()
    assert found["code"] == code
    if code is not None:  # in a checkout
        assert (found["commit"], found["committed"]) == tuple(
            (environment.last_commit(Path(catalogue.__file__)) or {}).values()
        )
    plan = Plan.of(in_catalogue.only(("3x3", "5x5-hamming")), "small", 1)
    first = run_study(plan, tmp_path / "s", options)
    assert len(first.record["registered"]["design"]["variants"]) == 3  # the whole design
    assert standing(first).arms == (2, 3)
    kept = run_study(plan, tmp_path / "s", options)
    assert kept.record["registered"] == first.record["registered"]
    monkeypatch.setitem(catalogue.STUDIES, in_catalogue.name, replace(in_catalogue, seeds=3))
    before = (tmp_path / "s/study.json").read_bytes()
    with pytest.raises(
        InputError, match=r"holds the study tiny-claim as designed at commit .* changed since \(seeds\)"
    ):
        run_study(plan, tmp_path / "s", options)
    assert (tmp_path / "s/study.json").read_bytes() == before


def test_a_design_of_ones_own_is_not_registered(design: Design) -> None:
    assert register(Plan.of(design, "small")) is None
