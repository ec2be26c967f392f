"""A study without a claim resumes, grows, tunes learning rates, and goes on from what earlier versions wrote."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from windowconv.errors import InputError
from windowconv.lab.config import LATER, RunConfig, Training
from windowconv.lab.data import gratings
from windowconv.lab.data.sets import Images
from windowconv.lab.runs.folder import Run, finished_run
from windowconv.lab.studies.design.comparison import comparison, plan_comparison
from windowconv.lab.studies.design.plan import SEARCH_SEED, Plan
from windowconv.lab.studies.execution import jobs as jobs_module
from windowconv.lab.studies.execution.engines import ThisProcess
from windowconv.lab.studies.execution.options import StudyOptions
from windowconv.lab.studies.execution.runner import run_study
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.training import loop
from windowconv.lab.training.train import train_together

ARMS = ("3x3", "5x5-hamming")
SETTINGS = Training(image_size=12, train_images=70, test_images=43, depth=2, width=2, epochs=1, batch_size=16)
HELD_OUT = replace(SETTINGS, val_fraction=0.25)
RunNames = list[str]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> RunNames:
    """The folders of the runs that are trained from now on."""
    names: list[str] = []

    def spy(configs: Sequence[RunConfig], data: Any, folders: Sequence[Path], *rest: Any, **options: Any) -> list[Run]:
        names.extend(folder.name for folder in folders)
        return train_together(configs, data, folders, *rest, **options)

    monkeypatch.setattr(jobs_module, "train_together", spy)
    return names


def planned(arms: Sequence[str] = ARMS, seeds: int = 2, training: Training = SETTINGS, rates: Any = ()) -> Plan:
    return plan_comparison(arms, "gratings", training, seeds, rates)


def compare(plan: Plan, folder: Path) -> StudyFolder:
    return run_study(plan, folder, StudyOptions(ThisProcess(), "gratings"))


def as_earlier_versions_wrote(folder: Path) -> None:
    """Rewrite study.json as `windowconv compare` did when it had a schema of its own."""
    path = folder / "study.json"
    record = json.loads(path.read_text())
    arms = [variant["arm"] for variant in record["design"]["variants"]]
    search = {"seed": SEARCH_SEED, "validation_accuracy": record["searched"]} if record["searched"] else None
    kept = ("schema_version", "name", "seeds", "training", "data", "networks", "algorithms", "environment", "status")
    old = {key: record[key] for key in (*kept, "time_s")} | {"arms": arms, "rates": record["tuned"], "search": search}
    old["runs"] = [f"{arm}-seed{seed}" for seed in range(record["seeds"]) for arm in arms]
    path.write_text(json.dumps(old))


def test_its_runs_are_arms_times_seeds_in_folders_of_these_names() -> None:
    runs = planned(("3x3", "7x7-kaiser:6")).runs()
    assert [run.folder for run in runs] == ["3x3-seed0", "7x7-kaiser_6-seed0", "3x3-seed1", "7x7-kaiser_6-seed1"]
    for run in runs:
        assert run.folder == run.config.run_name
        assert run.config == RunConfig(**asdict(SETTINGS), data="gratings", arm=run.config.arm, seed=run.config.seed)


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
def test_wrong_comparisons_are_refused(arms: tuple[str, ...], seeds: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        planned(arms, seeds)


def test_all_arms_of_a_seed_come_together(tmp_path: Path, trained: RunNames) -> None:
    study = compare(planned(), tmp_path / "s")
    assert trained == ["3x3-seed0", "5x5-hamming-seed0", "3x3-seed1", "5x5-hamming-seed1"]
    first, second = study.design.variants
    assert {run.config.arm for run in study.runs(second).values()} == {"5x5-hamming"}
    assert study.values(first, "accuracy") == {
        s: 100 * r.final()["test_accuracy"] for s, r in study.runs(first).items()
    }
    assert all(0 < value < 100 for value in study.values(first, "leakage").values())
    record = json.loads((tmp_path / "s/study.json").read_text())
    assert (record["schema_version"], record["status"], record["name"]) == (1, "finished", "s")
    assert (record["design"]["claim"], record["design"]["primary"], record["seeds"]) == ("", None, 2)
    assert record["training"] == json.loads(json.dumps(asdict(SETTINGS)))
    assert (record["data"]["name"], record["data"]["test"]) == ("gratings", 43)
    model = study.runs(first)[0].model()
    assert record["networks"]["3x3"]["parameters"] == sum(p.numel() for p in model.parameters())
    assert record["networks"]["3x3"]["macs"] == 36 * 9 * 2 + 36 * 9 * 8 + 4 * 16
    times = [run.final()["time_s"] for variant in study.design.variants for run in study.runs(variant).values()]
    assert record["time_s"] == pytest.approx(sum(times), abs=0.051)
    assert str(tmp_path) not in (tmp_path / "s/study.json").read_text()


@pytest.mark.parametrize("earlier", [False, True], ids=["today's", "an earlier version's"])
def test_it_resumes_and_grows(
    earlier: bool, tmp_path: Path, trained: RunNames, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = compare(planned(seeds=1), tmp_path).record["time_s"]
    weights = tmp_path / "3x3-seed0/model.safetensors"
    before = weights.stat().st_mtime_ns
    if earlier:
        as_earlier_versions_wrote(tmp_path)
        for path in tmp_path.glob("*/evaluations/leakage.json"):
            path.unlink()  # was not measured then
        opened = StudyFolder.open(tmp_path)
        assert (opened.design, opened.finished, opened.wanted) == (comparison(ARMS), 2, 2)
    trained.clear()
    capsys.readouterr()
    assert compare(planned(seeds=1), tmp_path).record["status"] == "finished"
    assert trained == []
    assert "finished before, reused" in capsys.readouterr().err
    assert len(list(tmp_path.glob("*/evaluations/leakage.json"))) == 2
    record = tmp_path / "5x5-hamming-seed0/run.json"
    record.write_text(record.read_text().replace('"finished"', '"running"'))  # as a run that was killed
    more = compare(planned((*ARMS, "7x7")), tmp_path)
    assert trained == ["5x5-hamming-seed0", "7x7-seed0", "3x3-seed1", "5x5-hamming-seed1", "7x7-seed1"]
    assert weights.stat().st_mtime_ns == before
    assert more.record["time_s"] >= seconds  # of all runs, those reused too


def test_a_study_from_before_a_setting_goes_on(tmp_path: Path, trained: RunNames) -> None:
    compare(planned(seeds=1), tmp_path)
    trained.clear()
    for path in (tmp_path / "study.json", *tmp_path.glob("*/run.json")):
        record = json.loads(path.read_text())
        for name in LATER:
            del record["training" if path.name == "study.json" else "config"][name]
        path.write_text(json.dumps(record))
    assert compare(planned(), tmp_path).training == SETTINGS
    assert trained == ["3x3-seed1", "5x5-hamming-seed1"]
    with pytest.raises(InputError, match="holds the study with other settings"):
        compare(planned(training=replace(SETTINGS, adversarial="fgsm")), tmp_path)


def test_it_goes_on_after_an_update_of_torch(tmp_path: Path, trained: RunNames) -> None:
    compare(planned(seeds=1), tmp_path)
    path = tmp_path / "3x3-seed0/run.json"
    path.write_text(path.read_text().replace('"torch": "', '"torch": "1.'))
    trained.clear()
    compare(planned(seeds=1), tmp_path)
    assert trained == []


def test_an_interrupted_study_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(configs: Sequence[RunConfig], *rest: Any, **options: Any) -> list[Run]:
        if configs[0].arm == "5x5-hamming":
            raise KeyboardInterrupt
        return train_together(configs, *rest, **options)

    monkeypatch.setattr(jobs_module, "train_together", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(planned(), tmp_path)
    assert json.loads((tmp_path / "study.json").read_text())["status"] == "stopped"
    monkeypatch.setattr(jobs_module, "train_together", train_together)
    assert compare(planned(), tmp_path).record["status"] == "finished"


def test_another_study_is_never_touched(tmp_path: Path, trained: RunNames, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(planned(seeds=1), tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    trained.clear()
    faster = planned(training=replace(SETTINGS, lr=0.2))
    others = [(faster, "other settings"), (replace(planned(), data="photos"), "on other images")]
    for plan, word in others:
        with pytest.raises(InputError, match=f"holds the study .*{word}; choose another --out") as caught:
            compare(plan, tmp_path)
        assert repr(str(tmp_path)) in str(caught.value)
    (tmp_path / "study.json").unlink()  # the runs alone are not overwritten either
    with pytest.raises(InputError, match=r"3x3-seed0 holds a finished run with other settings, images or numerics"):
        compare(faster, tmp_path)
    monkeypatch.setattr(jobs_module, "load", lambda *_, **__: gratings(image_size=12, seed=1))
    jobs_module._read.cache_clear()
    with pytest.raises(InputError, match=r"3x3-seed0 holds a finished run with other settings, images or numerics"):
        compare(planned(), tmp_path)
    jobs_module._read.cache_clear()
    assert trained == []
    assert {p: p.read_bytes() for p in before if p.exists()} == {p: t for p, t in before.items() if p.exists()}
    assert not (tmp_path / "study.json").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"schema_version": 1, "arms": ["3x3"], "status": "finished"}',
            "is damaged (or of another version: 'name' is missing)",
        ),
        (
            '{"schema_version": 1, "arms": 3}',
            "'arms': expected a list, got a whole number); remove that file and run the study",
        ),
        ('{"schema_version": 1, "arms": ["3x3"], "rates": [1]}', "'rates': expected an object or null, got a list"),
    ],
)
def test_a_damaged_record_of_an_earlier_version_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(InputError) as caught:
        compare(planned(), tmp_path)
    assert message in str(caught.value)
    assert (tmp_path / "study.json").read_text() == text


def test_patience_stops_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    training = replace(HELD_OUT, epochs=12, lr=0.3, patience=2, milestones=())
    study = compare(planned(("3x3",), 1, training), tmp_path)
    run = study.runs(study.design.variants[0])[0]
    accuracies = [line["val_accuracy"] for line in run.metrics("epoch")]
    best = max(range(len(accuracies)), key=lambda i: (accuracies[i], -i))
    assert run.final()["kept_epoch"] == best + 1
    assert len(accuracies) in (12, best + 1 + 2)
    assert run.evaluation("val")["figures"]["accuracy"] == accuracies[best] == run.final()["val_accuracy"]
    assert run.evaluation()["figures"]["n"] == 43


# the search for learning rates


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


@pytest.mark.parametrize("earlier", [False, True], ids=["today's", "an earlier version's"])
def test_each_arm_has_its_best_rate(
    earlier: bool, tmp_path: Path, evaluated: list[str], trained: RunNames, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = (1e-6, 0.1, 0.3)
    plan = planned(training=HELD_OUT, rates=rates)
    study = compare(plan, tmp_path)
    test_hash = study.record["data"]["test_hash"]
    assert evaluated.count(test_hash) == 4  # once for each run of the study, at its end; never by the search
    assert len(set(evaluated)) == 2
    names = sorted(path.name for path in (tmp_path / "search").iterdir())
    assert names == sorted(f"{arm}-lr{rate:g}" for arm in ARMS for rate in rates)
    for variant in study.design.variants:
        found = {}
        for rate in rates:
            run = finished_run(tmp_path / f"search/{variant.arm}-lr{rate:g}")
            assert run is not None
            assert (run.config.seed, run.config.lr, run.config.purpose) == (SEARCH_SEED, rate, "search")
            assert "test_accuracy" not in run.final()
            found[rate] = run.final()["val_accuracy"]
        best = study.record["tuned"][variant.name]
        assert found[best] == max(found.values())
        assert best == min(rate for rate in rates if found[rate] == found[best])
        assert study.record["searched"][variant.name] == {f"{rate:g}": found[rate] for rate in rates}
        assert [run.config.lr for run in study.runs(variant).values()] == [best, best]
    if earlier:
        as_earlier_versions_wrote(tmp_path)
        assert StudyFolder.open(tmp_path).record["tuned"] == study.record["tuned"]
        assert StudyFolder.open(tmp_path).design == study.design
    trained.clear()
    again = compare(plan, tmp_path)
    assert trained == []
    assert (again.record["tuned"], again.record["searched"]) == (study.record["tuned"], study.record["searched"])


def test_another_best_rate_is_not_mixed_with_finished_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: RunNames
) -> None:
    compare(planned(("3x3",), 1, HELD_OUT, (1e-7,)), tmp_path)
    final = Run.final
    monkeypatch.setattr(
        Run, "final", lambda run: {**final(run), **({"val_accuracy": 1.0} if run.folder.name == "3x3-lr0.3" else {})}
    )
    with pytest.raises(InputError, match="3x3-seed0 holds a finished run with other settings"):
        compare(planned(("3x3",), 1, HELD_OUT, (1e-7, 0.3)), tmp_path)


@pytest.mark.parametrize(
    ("rates", "training", "message"),
    [
        ((0.1,), SETTINGS, "lr-search needs --val-fraction"),
        ((0.1, 0.1), HELD_OUT, r"lr-search=\[0.1, 0.1\]; allowed: positive rates, each once"),
        ((0.1, 0.0), HELD_OUT, "allowed: positive rates"),
        ((float("nan"),), HELD_OUT, "allowed: positive rates"),
    ],
)
def test_bad_searches_are_refused(rates: tuple[float, ...], training: Training, message: str) -> None:
    with pytest.raises(InputError, match=message):
        planned(training=training, rates=rates)


def test_seeds_at_once_are_one_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[int] = []

    def spy(configs: Sequence[RunConfig], *rest: Any, **options: Any) -> list[Run]:
        together.append(len(configs))
        return train_together(configs, *rest, **options)

    monkeypatch.setattr(jobs_module, "train_together", spy)
    options = StudyOptions(ThisProcess(), "gratings", seeds_at_once=2)
    assert run_study(planned(seeds=3), tmp_path, options).finished == 6
    assert together == [2, 2, 1, 1]
    with pytest.raises(InputError, match="seeds-at-once=0; allowed: 1 or more"):
        replace(options, seeds_at_once=0)


def test_a_study_without_a_claim_and_one_with_do_not_mix(tmp_path: Path) -> None:
    compare(planned(seeds=1), tmp_path)
    other = replace(planned(seeds=1), design=replace(comparison(ARMS), name="other"))
    with pytest.raises(InputError, match="holds another study"):
        compare(other, tmp_path)
