"""`windowconv attack` from the command line: a study of seconds, and bad input."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Shell
from windowconv.lab.config import Training
from windowconv.lab.data import ImageData
from windowconv.lab.runs.folder import Run
from windowconv.lab.studies.design.comparison import plan_comparison
from windowconv.lab.studies.execution.engines import ThisProcess
from windowconv.lab.studies.execution.options import StudyOptions
from windowconv.lab.studies.execution.runner import run_study


@pytest.fixture
def study(tmp_path: Path, settings: Training) -> Path:
    plan = plan_comparison(("3x3", "5x5-hamming"), "gratings", settings, 3)
    run_study(plan, tmp_path / "study", StudyOptions(ThisProcess(), "gratings"))
    return tmp_path / "study"


def test_a_study_is_attacked_and_reported(study: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windowconv.lab.robustness.compared_runs.read_data", _gratings)
    code, out, err = shell("attack", str(study), "--images", "20")
    assert code == 0, err
    assert "6 runs: about" in err
    assert "[24/24]" in err
    assert "Accuracy under each attack" in out
    assert "worst case, L∞" in out
    page = (study / "robustness.html").read_text()
    for words in (
        "Sanity checks",
        "pgd-10",
        "all correct",
        "Runs attacked",
    ):
        assert words in page
    assert str(study.parent) not in page
    record = json.loads((study / "robustness.json").read_text())
    assert record["arms"] == ["3x3", "5x5-hamming"]
    assert record["seeds"] == [0, 1, 2]
    again = shell("attack", str(study), "--images", "20")
    assert again[1] == out  # nothing is attacked twice
    code, _, err = shell("attack", str(study), "--attacks", "fgsm", "--budgets", "0.1", "0.3", "--images", "20")
    assert code == 0, err
    assert "76.5/255" in err


def _gratings(*_: object) -> ImageData:
    from windowconv.lab.data import gratings

    return gratings(image_size=12)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--attacks", "pdg"], "did you mean 'pgd'"),
        (["--attacks", "pgd", "--budgets", "8"], "attack='pgd': budget=8; allowed (L∞"),
        (["--budgets", "0.1"], "name it with --attacks"),
        (["--images", "44"], "images=44; allowed: 1 to 43"),
        (["--suite", "papers"], "papers"),
    ],
)
def test_bad_options_are_one_line(
    study: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.setattr("windowconv.lab.robustness.compared_runs.read_data", _gratings)
    code, _, err = shell("attack", str(study), "--images", "20", *arguments)
    assert code == 2
    assert says in err
    assert "Traceback" not in err


def test_bad_runs_are_one_line(make_run: Callable[..., Run], shell: Shell, tmp_path: Path) -> None:
    run = make_run()
    (run.folder / "model.safetensors").unlink()
    other = make_run("5x5", test_images=30)
    for folders, says in (
        ([tmp_path / "nowhere"], "is not a run folder"),
        ([run.folder], "has no weights"),
        ([other.folder, other.folder], "is named twice"),
    ):
        code, _, err = shell("attack", *map(str, folders))
        assert code == 2
        assert says in err
        assert err.count("\n") == 1


@pytest.mark.slow
def test_everything_at_once(
    tmp_path: Path, tiny: ImageData, settings: Training, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windowconv.lab.robustness.compared_runs.read_data", _gratings)
    plan = plan_comparison(("3x3", "5x5"), "gratings", settings, 1)
    run_study(plan, tmp_path / "study", StudyOptions(ThisProcess(), "gratings"))
    code, _, err = shell("attack", str(tmp_path / "study"), "--suite", "all", "--images", "6")
    assert code == 0, err
    assert "transfer-from-5x5" in err
    page = (tmp_path / "study/robustness.html").read_text()
    for words in ("universal", "fab-t-100", "cw-20", "Corruptions and frequencies", "heat map", "conditions"):
        assert words in page, words
