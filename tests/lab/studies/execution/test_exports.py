"""A study goes on from its export alone; what disagrees is refused by name, and nothing is overwritten."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from windowconv.errors import InputError
from windowconv.lab.config import RunConfig
from windowconv.lab.studies.design.design import Design
from windowconv.lab.studies.execution import jobs as jobs_module
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.provenance import provenance
from windowconv.lab.training.loop import Diverged
from windowconv.lab.training.train import train_together

CarryOut = Callable[..., StudyFolder]


@pytest.fixture
def two(design: Design) -> Design:
    """3x3 and 5x5-hamming."""
    return replace(design, variants=design.variants[::2], secondary=())


class Spy:
    """Trains, and remembers what; a folder in `stop` ends the study, one in `diverge` diverges."""

    def __init__(self) -> None:
        self.trained: list[str] = []
        self.stop: tuple[str, ...] = ()
        self.diverge: tuple[str, ...] = ()

    def __call__(
        self, configs: Sequence[RunConfig], data: Any, folders: Sequence[Path], *rest: Any, **options: Any
    ) -> Any:
        name = folders[0].name
        if name in self.stop:
            raise KeyboardInterrupt
        self.trained.append(name)
        if name in self.diverge:
            raise Diverged("the loss is nan at step 3")
        return train_together(configs, data, folders, *rest, **options)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    spy = Spy()
    monkeypatch.setattr(jobs_module, "train_together", spy)
    return spy


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_each_run_is_exported_as_it_ends_and_the_study_goes_on_from_that_alone(
    two: Design, carry_out: CarryOut, spy: Spy, tmp_path: Path
) -> None:
    export = tmp_path / "e"
    spy.stop = ("3x3-seed1",)
    with pytest.raises(KeyboardInterrupt):
        carry_out(two, export=export)
    assert sorted(path.parent.name for path in export.glob("*/run.json")) == ["3x3-seed0", "5x5-hamming-seed0"]
    assert not list(export.rglob("*.safetensors"))
    record = json.loads((export / "3x3-seed0/run.json").read_text())
    assert set(record["load"]) == {"start", "end"}
    shutil.rmtree(tmp_path / "s")  # as on another machine
    before = files(export / "3x3-seed0")
    spy.stop, spy.trained = (), []
    done = carry_out(two, export=export)
    assert spy.trained == ["3x3-seed1", "5x5-hamming-seed1"]
    assert (done.finished, done.record["status"]) == (4, "finished")
    assert files(export / "3x3-seed0") == before
    assert json.loads((export / "study.json").read_text()) == json.loads((done.folder / "study.json").read_text())
    again = StudyFolder.open(export)
    assert again.values(two.variants[0], "leakage") == done.values(two.variants[0], "leakage")
    spy.trained = []
    carry_out(two, export=export)
    assert spy.trained == []


def _edited(path: Path, *keys: str, value: Any) -> None:
    record = json.loads(path.read_text())
    inner = record
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("data", "train_hash"), "0" * 64, "training images 0000000000000000, not "),
        (("config_hash",), "f" * 16, "settings ffffffffffffffff, not "),
        (("environment", "torch"), "1.0", "torch 1.0, not "),
        (("numerics", "version"), 99, "numerics version 99, not 1"),
    ],
)
def test_an_exported_run_of_another_kind_is_refused(
    keys: tuple[str, ...], value: Any, said: str, two: Design, carry_out: CarryOut, spy: Spy, tmp_path: Path
) -> None:
    export = tmp_path / "e"
    carry_out(two, seeds=1, export=export)
    shutil.rmtree(tmp_path / "s")
    _edited(export / "3x3-seed0/run.json", *keys, value=value)
    before = files(export)
    with pytest.raises(InputError, match=f"e/3x3-seed0 holds a finished run with other .*{said}"):
        carry_out(two, seeds=1, export=export)
    assert files(export) == before
    assert not list((tmp_path / "s").glob("*/run.json"))


def test_a_design_may_allow_other_versions(two: Design, carry_out: CarryOut, spy: Spy, tmp_path: Path) -> None:
    export = tmp_path / "e"
    free = replace(two, any_version=True)
    carry_out(free, seeds=1, export=export)
    shutil.rmtree(tmp_path / "s")
    _edited(export / "3x3-seed0/run.json", "environment", "torch", value="1.0")
    spy.trained = []
    done = carry_out(free, seeds=1, export=export)
    assert spy.trained == []
    assert "1.0" in done.environment("torch").split(", ")


def test_a_study_and_an_export_that_disagree_are_refused(
    two: Design, carry_out: CarryOut, spy: Spy, tmp_path: Path
) -> None:
    export = tmp_path / "e"
    carry_out(two, seeds=1, export=export)
    metrics = export / "3x3-seed0/metrics.jsonl"
    good = metrics.read_text()
    lines = [json.loads(line) for line in good.splitlines()]
    lines[-1]["test_accuracy"] = 0.99
    metrics.write_text("\n".join(map(json.dumps, lines)) + "\n")
    with pytest.raises(InputError, match=r"3x3-seed0: .* disagree \(the last line of metrics.jsonl\)"):
        carry_out(two, seeds=1, export=export)
    metrics.write_text(good)
    _edited(export / "3x3-seed0/evaluations/leakage.json", "figures", "1/4", value=0.5)
    with pytest.raises(InputError, match=r"disagree \(evaluations/leakage.json\)"):
        carry_out(two, seeds=1, export=export)
    shutil.copy(tmp_path / "s/3x3-seed0/evaluations/leakage.json", export / "3x3-seed0/evaluations/leakage.json")
    _edited(export / "study.json", "algorithms", "3x3", value={"0": "fft"})
    with pytest.raises(InputError, match=r"study.json and its export .* disagree \(algorithms\)"):
        carry_out(two, seeds=1, export=export)
    _edited(export / "study.json", "design", "smallest", value=0.1)
    with pytest.raises(InputError, match=r"export=.* holds the study with another smallest effect of interest"):
        carry_out(two, seeds=1, export=export)
    with pytest.raises(InputError, match=r"export=.*; allowed: another folder than the study's own"):
        carry_out(two, seeds=1, export=tmp_path / "s")


def test_weights_need_not_be_kept(two: Design, carry_out: CarryOut, spy: Spy, tmp_path: Path) -> None:
    done = carry_out(two, seeds=1, keep_weights=False)
    assert not list(done.folder.rglob("model.safetensors"))
    assert done.values(two.variants[0], "leakage")
    spy.trained = []
    carry_out(two, seeds=1, keep_weights=False)
    assert spy.trained == []
    with pytest.raises(InputError, match="3x3-seed0 has no weights, and its shift was not measured"):
        carry_out(replace(two, measures=("leakage", "shift")), seeds=1)


def test_exports_are_reused_where_all_is_measured(two: Design, carry_out: CarryOut, spy: Spy, tmp_path: Path) -> None:
    carry_out(two, seeds=1, export=tmp_path / "exports/first")
    spy.trained = []
    done = carry_out(two, "other", seeds=1, reuse=(tmp_path / "exports",))
    assert spy.trained == []
    assert sorted(done.record["reused"]) == ["3x3-seed0", "5x5-hamming-seed0"]
    assert set(done.record["sources"].values()) == {"first"}
    assert provenance(done)["runs of other studies"] == "2 of first"


def test_a_run_that_diverged_is_shown_and_never_tried_until_it_fits(
    two: Design, carry_out: CarryOut, spy: Spy, tmp_path: Path
) -> None:
    spy.diverge = ("5x5-hamming-seed0",)
    done = carry_out(two, export=tmp_path / "e")
    assert spy.trained.count("5x5-hamming-seed0") == 1
    assert done.record["failures"] == {"5x5-hamming-seed0": "the loss is nan at step 3"}
    assert (done.record["status"], done.finished) == ("incomplete", 3)
    spy.diverge, spy.trained = (), []
    shutil.rmtree(tmp_path / "s")
    again = carry_out(two, export=tmp_path / "e")
    assert spy.trained == []
    assert again.record["failures"] == done.record["failures"]


def test_a_real_divergence_is_one_try_and_its_record_is_exported(
    two: Design, carry_out: CarryOut, spy: Spy, tmp_path: Path
) -> None:
    done = carry_out(two.changed({"lr": 1e30}), seeds=1, export=tmp_path / "e")
    assert sorted(spy.trained) == ["3x3-seed0", "5x5-hamming-seed0"]
    assert set(done.record["diverged"]) == set(done.record["failures"]) == {"3x3-seed0", "5x5-hamming-seed0"}
    exported = json.loads((tmp_path / "e/3x3-seed0/run.json").read_text())
    assert exported["status"] == "failed"
    assert exported["reason"] == done.record["failures"]["3x3-seed0"]
    assert "nan" in exported["reason"]
