"""Runs are measured on the same pictures, each once; what is there is kept; what does not fit is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from windowconv.errors import InputError
from windowconv.lab.data import ImageData, ImageSet, gratings, load
from windowconv.lab.robustness.conditions.bands import energy, spectrum
from windowconv.lab.robustness.conditions.catalogue import CLEAN, Condition, as_floats, conditions
from windowconv.lab.robustness.conditions.record import Answers, shared_count
from windowconv.lab.robustness.evaluations import conditions as module
from windowconv.lab.robustness.evaluations.conditions import measure_conditions
from windowconv.lab.robustness.evaluations.sensitivity import Shifts
from windowconv.lab.runs.folder import Run

NAMES = ("gaussian_noise-2", "contrast-5", "noise-mid-0.2", "low-pass-0.125")
TESTED = tuple(condition for condition in conditions((12, 12), 1) if condition.name in NAMES)
MakeRun = Callable[..., Run]


@pytest.fixture
def runs(make_run: MakeRun) -> list[Run]:
    return [make_run("3x3"), make_run("5x5-hamming", 1)]


def written(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run.folder / "evaluations").glob("conditions-*")}


def counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the conditions that are carried out from now on."""
    seen: list[str] = []
    apply = Condition.apply

    def watched(self: Condition, *arguments: Any) -> torch.Tensor:
        seen.append(self.name)
        return apply(self, *arguments)

    monkeypatch.setattr(Condition, "apply", watched)
    return seen


def test_every_network_answers_on_the_same_pictures(runs: list[Run], tiny: ImageData) -> None:
    progress: list[tuple[int, int]] = []
    found = measure_conditions(runs, tiny.test, TESTED, seed=4, progress=lambda *done: progress.append(done))
    assert progress == [(i, 5) for i in range(1, 6)]
    assert isinstance(tiny.test, ImageSet)
    for run, measured in zip(runs, found, strict=True):
        assert list(measured.correct) == ["clean", *(condition.name for condition in TESTED)]
        model = run.model()
        for condition in (CLEAN, *TESTED):
            shown = condition.apply(tiny.test.images, 0, 4)
            with torch.no_grad():
                right = model(shown).argmax(1) == tiny.test.labels
            assert torch.equal(measured.correct[condition.name], right)
            record = measured.record["conditions"][condition.name]
            assert record["figures"] == {"n": 43, "accuracy": right.double().mean().item(), "correct": int(right.sum())}
            change = spectrum(energy(shown - as_floats(tiny.test.images)), shown.numel())
            assert record["change"]["rms"] == pytest.approx(change.rms, rel=1e-6, abs=1e-9)
        assert measured.record["conditions"]["clean"]["figures"]["correct"] == run.evaluation()["figures"]["correct"]


def test_the_files_say_what_was_measured_on_what(runs: list[Run], tiny: ImageData) -> None:
    measure_conditions(runs[:1], tiny.test, TESTED, count=20)
    record = json.loads((runs[0].folder / "evaluations/conditions-on-20.json").read_text())
    assert record["schema_version"] == 1
    assert record["name"] == "conditions"
    assert record["content_hash"] == tiny.test.content_hash
    assert (record["n"], record["seed"], record["source"]) == (20, 0, "gratings")
    assert len(record["indices"]) == 20
    assert [e["libraries"]["imagecorruptions-imaug"] for e in record["environments"]] == ["1.1.5"]
    assert record["conditions"]["contrast-5"]["family"] == "corruption"
    tensors = load_file(runs[0].folder / "evaluations/conditions-on-20.safetensors")
    assert set(tensors) == {"clean", *NAMES}
    assert all(t.dtype == torch.bool and t.shape == (20,) for t in tensors.values())
    whole = measure_conditions(runs[1:], tiny.test, [])[0]
    assert whole.record["indices"] is None
    again = Answers.read(runs[0], 20)
    places = torch.tensor(record["indices"])
    with torch.no_grad():
        assert isinstance(tiny.test, ImageSet)
        right = runs[0].model()(as_floats(tiny.test.images)).argmax(1) == tiny.test.labels
    assert torch.equal(again.correct["clean"], right[places])


def test_batches_do_not_matter(runs: list[Run], tiny: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure_conditions(runs, tiny.test, TESTED)
    monkeypatch.setattr(module, "BATCH", 7)
    for run in runs:
        (run.folder / "evaluations/conditions-on-43.json").unlink()
    for one, other in zip(whole, measure_conditions(runs, tiny.test, TESTED), strict=True):
        assert all(torch.equal(one.correct[name], other.correct[name]) for name in one.correct)


def test_what_is_there_is_not_measured_again(
    runs: list[Run], tiny: ImageData, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_conditions(runs, tiny.test, TESTED[:2])
    before = [written(run) for run in runs]
    seen = counting(monkeypatch)
    monkeypatch.setattr(Run, "model", lambda self: pytest.fail("no network is needed"))
    measure_conditions(runs, tiny.test, TESTED[:2])
    assert seen == []
    assert [written(run) for run in runs] == before
    monkeypatch.undo()
    seen = counting(monkeypatch)
    found = measure_conditions([*runs, make_run("3x3", 7)], tiny.test, TESTED)
    assert seen == ["clean", *(condition.name for condition in TESTED)]  # for the new run
    assert [list(m.correct) for m in found] == [["clean", *(c.name for c in TESTED)]] * 3


def test_a_measurement_that_is_cut_loses_one_condition(
    runs: list[Run], tiny: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = measure_conditions(runs, tiny.test, TESTED)
    for run in runs:
        (run.folder / "evaluations/conditions-on-43.json").unlink()

    def stop(done: int, of: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_conditions(runs, tiny.test, TESTED, progress=stop)
    seen = counting(monkeypatch)
    again = measure_conditions(runs, tiny.test, TESTED)
    assert seen == [condition.name for condition in TESTED[2:]]
    for one, other in zip(expected, again, strict=True):
        assert all(torch.equal(one.correct[name], other.correct[name]) for name in one.correct)


def test_what_lies_between_the_two_files_is_measured_again(runs: list[Run], tiny: ImageData) -> None:
    run = runs[0]
    whole = measure_conditions([run], tiny.test, TESTED)[0]
    tensors = run.folder / "evaluations/conditions-on-43.safetensors"
    save_file({name: held for name, held in load_file(tensors).items() if name != "contrast-5"}, tensors)
    with pytest.raises(InputError, match=r"conditions-on-43.safetensors lacks 'contrast-5'; remove"):
        Answers.read(run, 43)
    again = measure_conditions([run], tiny.test, TESTED)[0]
    assert torch.equal(again.correct["contrast-5"], whole.correct["contrast-5"])


def test_fewer_images_replace_no_more(runs: list[Run], tiny: ImageData) -> None:
    measure_conditions(runs, tiny.test, TESTED[:1])
    before = [written(run) for run in runs]
    measure_conditions(runs[:1], tiny.test, TESTED, count=9)
    assert {**written(runs[0]), **before[0]} == written(runs[0])
    assert len(Answers.read(runs[0], 9).correct) == 5
    assert shared_count(runs[:1], "conditions") == 43
    assert shared_count(runs, "conditions") == 43
    assert shared_count(runs[:1], "conditions", 9) == 9
    with pytest.raises(InputError, match=r"5x5-hamming-seed1 has no evaluations/conditions-on-N.json on 9 images"):
        shared_count(runs, "conditions", 9)
    (runs[1].folder / "evaluations/conditions-on-43.json").rename(runs[1].folder / "evaluations/conditions-on-5.json")
    with pytest.raises(InputError, match=r"conditions-on-N.json on as many images as the others; measure it first"):
        shared_count(runs, "conditions")


def test_new_weights_are_measured_anew(runs: list[Run], tiny: ImageData) -> None:
    run, other = runs
    measure_conditions([run], tiny.test, TESTED[:1])
    old = Answers.read(run, 43).record["weights"]
    (run.folder / "model.safetensors").write_bytes(other.weights.read_bytes())
    measured = measure_conditions([run], tiny.test, [])[0]
    assert measured.record["weights"] != old
    assert list(measured.correct) == ["clean"]


def test_another_parameter_is_another_condition(runs: list[Run], tiny: ImageData) -> None:
    run = runs[0]
    noise = next(condition for condition in TESTED if condition.family == "band noise")
    measure_conditions([run], tiny.test, [noise])
    changed = replace(noise, parameter=0.0)
    found = measure_conditions([run], tiny.test, [changed])[0]
    assert torch.equal(found.correct[noise.name], found.correct["clean"])


def test_what_does_not_fit_is_named_in_a_line(runs: list[Run], tiny: ImageData, tmp_path: Path) -> None:
    run = runs[0]
    measure_conditions([run], tiny.test, TESTED[:1])
    other = gratings(16, 43, seed=3, image_size=12)
    calls: list[tuple[Callable[[], Any], str]] = [
        (lambda: measure_conditions([], tiny.test), "runs is empty"),
        (lambda: measure_conditions([run], other.test), "3x3-seed0: the test images here differ from those of the run"),
        (lambda: measure_conditions([run], gratings(16, 43, image_size=16).test), "but the run was trained on"),
        (lambda: measure_conditions([run], tiny.test, count=0), "count=0; allowed: 1 to 43"),
        (lambda: measure_conditions([run], tiny.test, count=44), "count=44; allowed: 1 to 43"),
        (lambda: measure_conditions([run], tiny.test, seed=1), "is of seed=0, not 1; measure with the former"),
        (lambda: measure_conditions([run], tiny.test, [*TESTED, TESTED[0]]), "tested has a name twice"),
        (lambda: measure_conditions([run], tiny.test, [CLEAN]), "or 'clean', which is always measured"),
        (lambda: Answers.read(runs[1], 43), "conditions-on-43.json cannot be read"),
        (
            lambda: shared_count(runs, "conditions"),
            "5x5-hamming-seed1 has no evaluations/conditions-on-N.json; measure",
        ),
    ]
    before = written(run)
    for call, message in calls:
        with pytest.raises(InputError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert written(run) == before
    (run.folder / "evaluations/conditions-on-43.safetensors").write_bytes(b"not tensors")
    with pytest.raises(InputError, match=r"3x3-seed0: evaluations/conditions-on-43.safetensors cannot be read"):
        Answers.read(run, 43)


def test_images_that_stay_on_disk_are_chosen_like_others(image_folder: Path) -> None:
    streamed = load(image_folder, image_size=8, stream=True)
    held = load(image_folder, image_size=8)
    for count in (None, 3):
        one, other = Shifts(count).sample(streamed.test), Shifts(count).sample(held.test)
        assert one.images.shape == other.images.shape  # streamed ones are cropped closer
        assert torch.equal(255 * one.images, (255 * one.images).round())
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.indices, other.indices)
        assert len(one.indices) == (count or len(held.test))


def test_a_network_without_numbers_is_named(runs: list[Run], tiny: ImageData) -> None:
    tensors = load_file(runs[0].weights)
    header = runs[0].weights.read_bytes()
    broken = {name: held * float("nan") if held.is_floating_point() else held for name, held in tensors.items()}
    from safetensors import safe_open

    with safe_open(runs[0].weights, "pt") as file:
        metadata = file.metadata()
    save_file(broken, runs[0].weights, metadata)
    assert header != runs[0].weights.read_bytes()
    with pytest.raises(InputError, match=r"3x3-seed0: .*NaN"):
        measure_conditions(runs, tiny.test, TESTED)
