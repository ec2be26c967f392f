"""A search for learning rates decides on validation images, and never sees the test set."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from windowconv.errors import InputError
from windowconv.lab.config import Training
from windowconv.lab.data import ImageData
from windowconv.lab.data.sets import Images
from windowconv.lab.runs.folder import Run
from windowconv.lab.studies.design.plan import SEARCH_SEED
from windowconv.lab.studies.grid.search import Found, search_rates
from windowconv.lab.studies.grid.study import Study, StudyResult, run_study
from windowconv.lab.training import loop

ARMS = ("3x3", "5x5-hamming")
Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def study(settings: Training) -> Study:
    return Study("gratings", ARMS, 2, replace(settings, epochs=2, val_fraction=0.25))


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The content hashes of the images that are evaluated from now on."""
    seen: list[str] = []
    evaluate = loop.evaluate

    def spy(network: Any, images: Images, *rest: Any) -> Any:
        seen.append(images.content_hash)
        return evaluate(network, images, *rest)

    monkeypatch.setattr(loop, "evaluate", spy)
    return seen


def test_it_tries_each_rate_once_an_arm_and_takes_the_best(
    study: Study, tiny: ImageData, tmp_path: Path, evaluated: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rates = (1e-6, 0.1, 0.3)
    found = search_rates(study, rates, tiny, tmp_path)
    assert tiny.test.content_hash not in evaluated
    assert len(set(evaluated)) == 1
    names = sorted(p.name for p in (tmp_path / "search").iterdir())
    assert names == sorted(f"{arm}-lr{rate:g}" for arm in ARMS for rate in rates)
    for arm in ARMS:
        values = found.accuracies[arm]
        assert list(values) == list(rates)
        assert values[found.best[arm]] == max(values.values())
        run = Run.open(tmp_path / f"search/{arm}-lr0.1")
        assert (run.config.seed, run.config.lr, run.config.purpose) == (SEARCH_SEED, 0.1, "search")
        assert "test_accuracy" not in run.final()
        assert [p.name for p in sorted((run.folder / "evaluations").iterdir())] == ["val.json", "val.safetensors"]
    assert "Validation accuracy (%) by learning rate" in capsys.readouterr().err
    search_rates(study, rates, tiny, tmp_path)
    assert capsys.readouterr().err.count("finished before, reused") == 6


def test_the_study_goes_on_with_each_arms_best(
    study: Study, tiny: ImageData, tmp_path: Path, evaluated: list[str]
) -> None:
    found = Found({"3x3": {0.1: 0.5, 0.2: 0.6}, "5x5-hamming": {0.1: 0.7, 0.2: 0.7}})
    assert found.best == {"3x3": 0.2, "5x5-hamming": 0.1}
    result = run_study(replace(study, rates=found.best), tiny, tmp_path, search=found.record())
    assert [run.config.lr for run in result.runs("3x3")] == [0.2, 0.2]
    assert result.run("5x5-hamming", 1).config.lr == 0.1
    assert evaluated.count(tiny.test.content_hash) == 4  # once a run, at its end
    again = StudyResult.open(tmp_path)
    assert again.study.rates == found.best
    assert again.record["search"]["validation_accuracy"]["3x3"] == {"0.1": 0.5, "0.2": 0.6}


def test_the_grids_end_is_pointed_out() -> None:
    text = str(Found({"3x3": {0.1: 0.5, 0.2: 0.6, 0.4: 0.7}, "7x7": {0.1: 0.5, 0.2: 0.6, 0.4: 0.1}}))
    lines = text.splitlines()
    assert "0.4 (the grid's end: try beyond)" in lines[1]
    assert "try beyond" not in lines[2]


@pytest.mark.parametrize(
    ("rates", "changes", "message"),
    [
        ((0.1,), {"val_fraction": 0.0}, "lr-search needs --val-fraction"),
        ((0.1, 0.1), {}, r"lr-search=\[0.1, 0.1\]; allowed: positive rates, each once"),
        ((0.1, 0.0), {}, "allowed: positive rates"),
        ((float("nan"),), {}, "allowed: positive rates"),
    ],
)
def test_bad_searches_are_refused(
    rates: tuple[float, ...], changes: dict[str, Any], message: str, study: Study, tiny: ImageData, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        search_rates(replace(study, training=replace(study.training, **changes)), rates, tiny, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_from_the_command_line(shell: Shell, tmp_path: Path) -> None:
    words = "compare --data gratings --image-size 12 --train-images 70 --test-images 43 --epochs 1 --width 2 --depth 2"
    words += " --arms 3x3 5x5 --seeds 1 --val-fraction 0.2 --lr-search 0.01 0.1 --out"
    code, out, err = shell(words, tmp_path / "s")
    assert code == 0, err
    assert "Validation accuracy" in err
    assert set(StudyResult.open(tmp_path / "s").study.rates) == {"3x3", "5x5"}
    assert "Report:" in out


def test_patience_stops_and_keeps_the_best_epoch(study: Study, tiny: ImageData, tmp_path: Path) -> None:
    training = replace(study.training, epochs=12, lr=0.3, patience=2, milestones=())
    result = run_study(Study("gratings", ("3x3",), 1, training), tiny, tmp_path)
    run = result.run("3x3", 0)
    accuracies = [line["val_accuracy"] for line in run.metrics("epoch")]
    best = max(range(len(accuracies)), key=lambda i: (accuracies[i], -i))
    assert run.final()["kept_epoch"] == best + 1
    assert len(accuracies) in (12, best + 1 + 2)
    assert run.evaluation("val")["figures"]["accuracy"] == accuracies[best] == run.final()["val_accuracy"]
    assert run.evaluation()["figures"]["n"] == 43
    assert all(bool(torch.isfinite(p).all()) for p in run.model().parameters())
