"""A study finishes what it can, keeps what is finished, takes over what others trained, and touches no other's."""

import errno
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from windowconv.errors import InputError
from windowconv.lab.config import RunConfig, Training
from windowconv.lab.progress import Progress
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.lock import only_one
from windowconv.lab.studies.design.comparison import plan_comparison
from windowconv.lab.studies.design.design import Contrast, Design, Variant
from windowconv.lab.studies.design.plan import Plan
from windowconv.lab.studies.execution import jobs as jobs_module
from windowconv.lab.studies.execution.engines import ThisProcess
from windowconv.lab.studies.execution.jobs import Job, Outcome, read_images, run_job
from windowconv.lab.studies.execution.options import StudyOptions
from windowconv.lab.studies.execution.runner import StudyRunner, run_study
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.kernel_sections import convolutions
from windowconv.lab.training.train import train_together

CarryOut = Callable[..., StudyFolder]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders of the runs that are trained from now on."""
    names: list[str] = []

    def spy(configs: Sequence[RunConfig], data: Any, folders: Sequence[Path], *rest: Any, **options: Any) -> list[Run]:
        names.extend(folder.name for folder in folders)
        return train_together(configs, data, folders, *rest, **options)

    monkeypatch.setattr(jobs_module, "train_together", spy)
    return names


def fail(monkeypatch: pytest.MonkeyPatch, when: Callable[[Path], BaseException | None]) -> None:
    """Let the training of some folders fail."""

    def failing(configs: Sequence[RunConfig], data: Any, folders: Sequence[Path], *rest: Any, **options: Any) -> Any:
        error = when(folders[0])
        if error is not None:
            raise error
        return train_together(configs, data, folders, *rest, **options)

    monkeypatch.setattr(jobs_module, "train_together", failing)


def test_all_variants_of_a_seed_come_together_and_are_measured(
    design: Design, carry_out: CarryOut, trained: list[str]
) -> None:
    done = carry_out(design)
    assert trained == [f"{arm}-seed{seed}" for seed in (0, 1) for arm in ("3x3", "5x5", "5x5-hamming")]
    assert (done.record["status"], done.finished, done.wanted) == ("finished", 6, 6)
    for variant in design.variants:
        assert list(done.values(variant, "accuracy")) == [0, 1]
        assert all(0 < value < 100 for value in done.values(variant, "leakage").values())
        for seed, run in done.runs(variant).items():
            assert done.values(variant, "accuracy")[seed] == 100 * run.final()["test_accuracy"]
            assert run.record["numerics"]["algorithm"] == done.record["algorithms"][variant.name]
    text = (done.folder / "study.json").read_text()
    assert str(done.folder.parent) not in text
    assert json.loads(text)["failures"] == {}


def test_it_goes_on_and_grows(design: Design, carry_out: CarryOut, trained: list[str]) -> None:
    carry_out(design, seeds=1)
    trained.clear()
    carry_out(design, seeds=1)
    assert trained == []
    more = replace(design, variants=(*design.variants, Variant("3x3", (("depth", 3),))))
    done = carry_out(more, seeds=2)
    assert trained == ["3x3_depth_3-seed0", "3x3-seed1", "5x5-seed1", "5x5-hamming-seed1", "3x3_depth_3-seed1"]
    assert done.runs(more.variants[3])[0].config.depth == 3


def test_runs_of_other_studies_and_of_compare_are_taken_over(
    design: Design, tiny_settings: Training, carry_out: CarryOut, trained: list[str], tmp_path: Path
) -> None:
    plan = plan_comparison(("3x3", "5x5"), "gratings", tiny_settings, 1)
    compared = run_study(plan, tmp_path / "runs/compared", StudyOptions(ThisProcess(), "gratings"))
    (compared.folder / "5x5-seed0/evaluations/leakage.json").unlink()
    carry_out(replace(design, variants=design.variants[::2], secondary=()), name="runs/deep/other", seeds=1)
    trained.clear()
    done = carry_out(design, seeds=2, reuse=(tmp_path / "runs", tmp_path / "nowhere"))
    assert trained == ["3x3-seed1", "5x5-seed1", "5x5-hamming-seed1"]
    assert sorted(done.record["reused"]) == ["3x3-seed0", "5x5-hamming-seed0", "5x5-seed0"]
    mine, theirs = done.folder / "5x5-seed0", compared.folder / "5x5-seed0"
    assert (mine / "run.json").read_bytes() == (theirs / "run.json").read_bytes()
    assert (mine / "evaluations/leakage.json").is_file()  # measured here ...
    assert not (theirs / "evaluations/leakage.json").exists()  # ... and the other study's folder is as it was
    assert os.stat(mine / "model.safetensors").st_ino == os.stat(theirs / "model.safetensors").st_ino
    trained.clear()
    assert carry_out(design, seeds=2, reuse=(tmp_path / "runs",)).record["reused"] == done.record["reused"]
    assert trained == []


@pytest.mark.parametrize("what", ["settings", "images", "numerics", "torch", "unfinished", "weights"])
def test_other_runs_are_not_taken_over(
    what: str, design: Design, carry_out: CarryOut, trained: list[str], tmp_path: Path
) -> None:
    one = replace(design, variants=design.variants[::2], secondary=())
    other = one.changed({"lr": 0.2}) if what == "settings" else one
    first = carry_out(other, name="runs/other", seeds=1)
    path = first.folder / "3x3-seed0/run.json"
    record = json.loads(path.read_text())
    if what == "images":
        record["data"]["train_hash"] = "0" * 64
    if what == "numerics":
        record["numerics"]["version"] = 99
    if what == "torch":
        record["environment"]["torch"] = "1.0"
    if what == "unfinished":
        record["status"] = "running"
    path.write_text(json.dumps(record))
    if what == "weights":
        (first.folder / "3x3-seed0/model.safetensors").unlink()
        (first.folder / "3x3-seed0/evaluations/leakage.json").unlink()
    trained.clear()
    done = carry_out(one, seeds=1, reuse=(tmp_path / "runs",))
    assert "3x3-seed0" in trained
    assert "3x3-seed0" not in done.record["reused"]


def test_seeds_of_a_variant_share_the_algorithms_of_runs_taken_over(
    design: Design, carry_out: CarryOut, tmp_path: Path
) -> None:
    one = replace(design, variants=design.variants[::2], secondary=()).changed({"algorithm": "auto"})
    first = carry_out(one, name="runs/other", seeds=1)
    for path in first.folder.glob("3x3-seed0/run.json"):
        record = json.loads(path.read_text())
        record["numerics"]["algorithm"] = {"0": "fft", "3": "fft"}
        path.write_text(json.dumps(record))
    done = carry_out(one, seeds=2, reuse=(tmp_path / "runs",))
    pins = [run.record["numerics"]["algorithm"] for run in done.runs(one.variants[0]).values()]
    assert pins == [{"0": "fft", "3": "fft"}] * 2


def test_a_failure_is_tried_again_and_costs_one_run(
    design: Design, carry_out: CarryOut, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tries: list[str] = []

    def when(folder: Path) -> BaseException | None:
        tries.append(folder.name)
        if folder.name == "5x5-seed0":
            return InputError("the loss is nan at step 3")
        return RuntimeError("once") if folder.name == "3x3-seed1" and tries.count("3x3-seed1") == 1 else None

    fail(monkeypatch, when)
    done = carry_out(design)
    assert done.record["status"] == "incomplete"
    assert done.record["failures"] == {"5x5-seed0": "the loss is nan at step 3"}
    assert (tries.count("5x5-seed0"), tries.count("3x3-seed1"), done.finished) == (2, 2, 5)
    said = capsys.readouterr().err
    assert "3x3-seed1 failed: RuntimeError: once; trying once more" in said
    assert "5x5-seed0 failed: the loss is nan at step 3\n" in said
    monkeypatch.setattr(jobs_module, "train_together", train_together)
    again = carry_out(design)
    assert (again.record["status"], again.record["failures"], again.finished) == ("finished", {}, 6)


def test_a_precision_that_the_device_lacks_is_refused_before_any_run(
    design: Design, carry_out: CarryOut, trained: list[str], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="precision='tf32' is for NVIDIA GPUs; on cpu allowed: fp32, bf16"):
        carry_out(design.changed({"precision": "tf32"}))
    assert trained == []
    assert json.loads((tmp_path / "s/study.json").read_text())["failures"] == {}


def test_a_full_disk_ends_the_study_and_loses_nothing(
    design: Design, carry_out: CarryOut, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trained: list[str]
) -> None:
    def when(folder: Path) -> BaseException | None:
        if folder.name != "5x5-hamming-seed0":
            return None
        error = InputError("path='x' cannot be written (No space left on device); free some space")
        error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
        return error

    fail(monkeypatch, when)
    with pytest.raises(InputError, match="the disk is full: finished runs are kept, the same command resumes"):
        carry_out(design)
    record = json.loads((tmp_path / "s/study.json").read_text())
    assert record["status"] == "failed"
    monkeypatch.undo()
    assert sorted(p.parent.name for p in (tmp_path / "s").glob("*/run.json")) == ["3x3-seed0", "5x5-seed0"]


def test_an_interrupted_study_goes_on(
    design: Design, carry_out: CarryOut, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fail(monkeypatch, lambda folder: KeyboardInterrupt() if folder.name == "5x5-seed1" else None)
    with pytest.raises(KeyboardInterrupt):
        carry_out(design)
    assert json.loads((tmp_path / "s/study.json").read_text())["status"] == "stopped"
    monkeypatch.setattr(jobs_module, "train_together", train_together)
    before = (tmp_path / "s/3x3-seed1/model.safetensors").stat().st_mtime_ns
    assert carry_out(design).record["status"] == "finished"
    assert (tmp_path / "s/3x3-seed1/model.safetensors").stat().st_mtime_ns == before


def test_another_study_is_never_touched(design: Design, carry_out: CarryOut, tmp_path: Path) -> None:
    carry_out(design, seeds=1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    others = [
        ("another study", {"design": replace(design, name="other")}),
        ("another primary contrast", {"design": replace(design, primary=Contrast(("5x5",), ("3x3",)))}),
        ("other settings", {"design": design.changed({"lr": 0.3})}),
        ("other images", {"design": design.changed({"train_images": 60})}),
        ("at another scale", {"design": design, "scale": "smoke"}),
    ]
    for what, change in others:
        with pytest.raises(InputError, match=f"{what}; choose another --out, or remove that folder"):
            carry_out(**change)
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_of_other_numerics_in_the_folder_is_refused(design: Design, carry_out: CarryOut, tmp_path: Path) -> None:
    carry_out(design, seeds=1)
    path = tmp_path / "s/5x5-seed0/run.json"
    path.write_text(path.read_text().replace('"torch": "', '"torch": "9.'))
    with pytest.raises(InputError, match=r"5x5-seed0 holds a finished run with other settings, images or numerics"):
        carry_out(design, seeds=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema_version": 9}', "has schema version 9"),
        ("{", "is damaged"),
        ('{"schema_version": 1}', "is damaged"),
        ('{"schema_version": 1, "design": {"name": 3}}', "is damaged"),
    ],
)
def test_a_study_of_another_version_is_refused(
    text: str, message: str, design: Design, carry_out: CarryOut, tmp_path: Path
) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s/study.json").write_text(text)
    with pytest.raises(InputError, match=message):
        carry_out(design)
    assert (tmp_path / "s/study.json").read_text() == text


def test_two_commands_do_not_share_a_folder(design: Design, carry_out: CarryOut, tmp_path: Path) -> None:
    with only_one(tmp_path / "s", "study"), pytest.raises(InputError, match=r"process .* works on this study"):
        carry_out(design)
    carry_out(design, seeds=1)


def test_a_folder_that_cannot_be_written(design: Design, carry_out: CarryOut, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        carry_out(design, name="file/s")


def test_tuned_variants_take_the_best_on_validation_images(design: Design, carry_out: CarryOut) -> None:
    tuned = Variant("5x5", tune=("lr", (1e-7, 0.05)))
    made = replace(
        design,
        variants=(Variant("3x3"), tuned),
        primary=Contrast((tuned.name,), ("3x3",)),
        secondary=(),
        changes=(("val_fraction", 0.2), ("epochs", 4)),
    )
    done = carry_out(made, seeds=1)
    searched = done.record["searched"][tuned.name]
    best = max(sorted(searched, key=float), key=lambda value: searched[value])
    assert done.record["tuned"] == {tuned.name: float(best)}
    assert done.runs(tuned)[0].config.lr == float(best)
    assert {p.name for p in (done.folder / "search").iterdir()} == {"5x5_lr_tuned-1e-07", "5x5_lr_tuned-0.05"}
    assert "test_accuracy" not in Run.open(done.folder / "search/5x5_lr_tuned-0.05").final()


def test_a_search_that_fails_costs_its_variant_only(
    design: Design, carry_out: CarryOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = Variant("5x5", tune=("lr", (0.01, 0.05)))
    made = replace(design, variants=(*design.variants, tuned), changes=(("val_fraction", 0.2),))
    fail(monkeypatch, lambda folder: InputError("no") if folder.name == "5x5_lr_tuned-0.01" else None)
    done = carry_out(made, seeds=1)
    assert done.record["failures"] == {"search/5x5_lr_tuned-0.01": "no"}
    assert (done.record["tuned"], done.finished) == ({}, 3)


def test_a_network_goes_on_from_a_trained_one(design: Design, carry_out: CarryOut) -> None:
    variants = tuple(Variant(arm, start="3x3") for arm in ("3x3", "5x5-hamming", "5x5-boxcar"))
    names = [variant.name for variant in variants]
    primary = Contrast((names[1],), (names[0],))
    made = replace(design, variants=variants, primary=primary, secondary=(), changes=(("lr", 1e-9),))
    done = carry_out(made)
    assert done.finished == 6
    for seed in (0, 1):
        start = Run.open(done.folder / f"start/3x3-seed{seed}")
        assert (start.config.lr, start.config.start) == (Plan.of(made, "small").base.lr, "")
        began = [weight for _, _, weight in convolutions(start.model())]
        for variant in variants:  # at a rate of next to nothing, all keep the kernels that they start from
            run = done.runs(variant)[seed]
            assert run.config.preserve
            for old, (_, _, new) in zip(began, convolutions(run.model()), strict=True):
                pad = (new.shape[-1] - 3) // 2
                torch.testing.assert_close(new, F.pad(old, [pad] * 4), rtol=1e-5, atol=1e-6)
    kinds = {run.config.start for variant in variants for run in done.runs(variant).values()}
    assert len(kinds) == 2  # one a seed


def test_the_images_must_be_the_studys(design: Design, options: StudyOptions, tmp_path: Path) -> None:
    plan = Plan.of(design, "small", 1)
    data = read_images("gratings", None, plan.shared)
    seen: list[Job] = []

    class Collecting(ThisProcess):
        def run(self, jobs: Sequence[Job], place: Path) -> Iterator[Outcome]:
            seen.extend(jobs)
            return iter(())

    StudyRunner(plan, tmp_path, replace(options, engine=Collecting()), data).finish(plan.runs(), ())
    assert len(seen) == 3
    assert Job.from_record(json.loads(json.dumps(seen[0].record()))) == seen[0]
    run_job(seen[0], tmp_path, Progress())
    with pytest.raises(InputError, match="are not those that the study began with"):
        run_job(replace(seen[1], data={**seen[1].data, "train_hash": "0"}), tmp_path, Progress())
