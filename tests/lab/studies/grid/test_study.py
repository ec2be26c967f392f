"""A study resumes, keeps to itself, and can grow."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from windowconv.errors import InputError
from windowconv.lab.config import LATER, RunConfig, Training
from windowconv.lab.data import ImageData, gratings
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import write_json
from windowconv.lab.studies.grid import study as study_module
from windowconv.lab.studies.grid.study import Study, StudyResult, run_study
from windowconv.lab.training.loading import limit_images
from windowconv.lab.training.train import train_together

ARMS = ("3x3", "5x5-hamming")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the runs that are trained from now on."""
    names: list[str] = []

    def spy(configs: Sequence[RunConfig], *rest: Any, **options: Any) -> list[Run]:
        names.extend(config.run_name for config in configs)
        return train_together(configs, *rest, **options)

    monkeypatch.setattr(study_module, "train_together", spy)
    return names


@pytest.fixture
def study(settings: Training) -> Study:
    return Study("gratings", ARMS, 2, replace(settings, epochs=1))


def test_all_arms_of_a_seed_come_together(study: Study, tiny: ImageData, tmp_path: Path, trained: list[str]) -> None:
    result = run_study(study, tiny, tmp_path / "s")
    assert trained == ["3x3-seed0", "5x5-hamming-seed0", "3x3-seed1", "5x5-hamming-seed1"]
    assert [run.record["seed"] for run in result.runs("3x3")] == [0, 1]
    assert {run.config.arm for run in result.runs("5x5-hamming")} == {"5x5-hamming"}
    expected = [100 * run.final()["test_accuracy"] for run in result.runs("3x3")]
    assert result.accuracies("3x3") == expected
    record = json.loads((tmp_path / "s/study.json").read_text())
    assert (record["schema_version"], record["status"], record["name"]) == (1, "finished", "s")
    assert (record["arms"], record["seeds"], record["runs"]) == (list(ARMS), 2, trained)
    assert record["training"] == json.loads(json.dumps(asdict(study.training)))
    assert record["data"]["name"] == "gratings"
    assert record["data"]["test"] == 43
    model = result.run("3x3", 0).model()
    assert record["networks"]["3x3"]["parameters"] == sum(p.numel() for p in model.parameters())
    assert record["networks"]["3x3"]["macs"] == 36 * 9 * 2 + 36 * 9 * 8 + 4 * 16
    times = [run.final()["time_s"] for arm in ARMS for run in result.runs(arm)]
    assert record["time_s"] == pytest.approx(sum(times), abs=0.051)
    assert str(tmp_path) not in (tmp_path / "s/study.json").read_text()
    again = StudyResult.open(tmp_path / "s")
    assert again.study == study
    assert again.accuracies("3x3") == expected


def test_it_resumes_and_grows(study: Study, tiny: ImageData, tmp_path: Path, trained: list[str]) -> None:
    first = run_study(replace(study, seeds=1), tiny, tmp_path)
    seconds = first.record["time_s"]
    created = first.run("3x3", 0).record["created"], (tmp_path / "3x3-seed0/model.safetensors").stat().st_mtime_ns
    trained.clear()
    run_study(replace(study, seeds=1), tiny, tmp_path)
    assert trained == []
    record = tmp_path / "5x5-hamming-seed0/run.json"
    record.write_text(record.read_text().replace('"finished"', '"running"'))  # as a run that was killed
    more = run_study(replace(study, arms=(*ARMS, "7x7"), seeds=2), tiny, tmp_path)
    assert trained == ["5x5-hamming-seed0", "7x7-seed0", "3x3-seed1", "5x5-hamming-seed1", "7x7-seed1"]
    again = more.run("3x3", 0).record["created"], (tmp_path / "3x3-seed0/model.safetensors").stat().st_mtime_ns
    assert created == again
    assert more.record["time_s"] >= seconds  # of all runs, those reused too


def test_a_study_from_before_a_setting_goes_on(
    study: Study, tiny: ImageData, tmp_path: Path, trained: list[str]
) -> None:
    run_study(replace(study, seeds=1), tiny, tmp_path)
    trained.clear()
    for path in (tmp_path / "study.json", *tmp_path.glob("*/run.json")):
        record = json.loads(path.read_text())
        for name in LATER:
            del record["training" if path.name == "study.json" else "config"][name]
        path.write_text(json.dumps(record))
    assert run_study(study, tiny, tmp_path).study == study
    assert trained == ["3x3-seed1", "5x5-hamming-seed1"]
    attacked = replace(study, training=replace(study.training, adversarial="fgsm"))
    with pytest.raises(InputError, match="holds a study with other settings"):
        run_study(attacked, tiny, tmp_path)


def test_an_interrupted_study_goes_on(
    study: Study, tiny: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(configs: Sequence[RunConfig], *rest: Any, **options: Any) -> list[Run]:
        if configs[0].arm == "5x5-hamming":
            raise KeyboardInterrupt
        return train_together(configs, *rest, **options)

    monkeypatch.setattr(study_module, "train_together", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, tiny, tmp_path)
    assert json.loads((tmp_path / "study.json").read_text())["status"] == "stopped"
    monkeypatch.setattr(study_module, "train_together", train_together)
    assert run_study(study, tiny, tmp_path).record["status"] == "finished"


def test_another_study_is_never_touched(study: Study, tiny: ImageData, tmp_path: Path, trained: list[str]) -> None:
    run_study(replace(study, seeds=1), tiny, tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    trained.clear()
    others: list[tuple[Study, ImageData, str]] = [
        (replace(study, training=replace(study.training, lr=0.2)), tiny, "other settings"),
        (study, gratings(70, 43, image_size=12, seed=1), "other data"),
        (replace(study, data="photos"), tiny, "other data"),
    ]
    for other, data, word in others:
        with pytest.raises(InputError, match=f"holds a study with {word}; choose another --out") as caught:
            run_study(other, data, tmp_path)
        assert repr(str(tmp_path)) in str(caught.value)
    (tmp_path / "study.json").unlink()  # the runs alone are not overwritten either
    with pytest.raises(InputError, match=r"3x3-seed0 holds a finished run with other settings or data; choose"):
        run_study(others[0][0], tiny, tmp_path)
    assert trained == []
    assert {p: p.read_bytes() for p in before if p.exists()} == {p: t for p, t in before.items() if p.exists()}
    assert not (tmp_path / "study.json").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "damaged"), ('{"schema_version": 9}', "schema version 9"), ('{"schema_version": 1}', "other settings")],
)
def test_a_damaged_study_is_refused(text: str, message: str, study: Study, tiny: ImageData, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        run_study(study, tiny, tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert (tmp_path / "study.json").read_text() == text


def test_opening_what_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no study folder \(it has no study\.json\)"):
        StudyResult.open(tmp_path)


def test_opening_a_study_that_is_not_finished(tmp_path: Path) -> None:
    write_json(tmp_path / "study.json", {"status": "running"})
    with pytest.raises(InputError, match="is not finished"):
        StudyResult.open(tmp_path)


@pytest.mark.parametrize(
    ("arms", "seeds", "message"),
    [
        ((), 1, "arms="),
        (("3x3", "3x3"), 1, "each once"),
        (("3x3",), 0, "seeds=0"),
        (("3x3",), -1, "seeds=-1"),
        (("3x3", "7x7-haming"), 1, "did you mean 'hamming'"),
        (("3x4",), 1, "square kernels"),
    ],
)
def test_wrong_grids_are_refused(arms: tuple[str, ...], seeds: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Study("gratings", arms, seeds, Training())


def test_cutting_takes_the_same_images_for_all_and_no_more_than_there_are(tiny: ImageData) -> None:
    some = limit_images(tiny, Training(train_images=20, test_images=10))
    assert (len(some.train), len(some.test)) == (20, 10)
    assert some.content_hash == limit_images(tiny, Training(train_images=20, test_images=10)).content_hash
    with pytest.raises(InputError, match="train-images=71; gratings has 70"):
        limit_images(tiny, Training(train_images=71))
    with pytest.raises(InputError, match="test-images=44; gratings has 43"):
        limit_images(tiny, Training(test_images=44))


def test_the_output_folder_must_be_writable(study: Study, tiny: ImageData, tmp_path: Path, trained: list[str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        run_study(study, tiny, tmp_path / "file/x")
    assert trained == []
