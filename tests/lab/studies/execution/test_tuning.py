"""One grid and one budget for all variants, on held-out images, before the runs, which then use what was chosen."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from windowconv.errors import InputError
from windowconv.lab.runs.folder import finished_run
from windowconv.lab.studies.design.design import Design
from windowconv.lab.studies.design.plan import Plan
from windowconv.lab.studies.design.tuning import Tuning, best_values, widened
from windowconv.lab.studies.execution import tuning as tuning_module
from windowconv.lab.studies.execution.tuning import Scores
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.tuning_tables import tuning_tables

CarryOut = Callable[..., StudyFolder]


@pytest.fixture
def tuned(design: Design) -> Design:
    """3x3 and 5x5-hamming, whose learning rate and then weight decay are tuned."""
    tuning = Tuning((("lr", (1.0, 0.5)), ("weight_decay", (0.1, 1.0, 10.0))), held_out=0.2, widenings=1)
    return replace(design, variants=design.variants[::2], secondary=(), tuning=tuning)


def test_the_best_value_is_the_smallest_of_the_best_and_the_grid_grows_at_its_ends() -> None:
    scores = {"a": {0.1: 0.5, 0.2: 0.7, 0.4: 0.7}, "b": {0.1: 0.9, 0.2: 0.8, 0.4: None}}
    best = best_values(scores)
    assert best == {"a": 0.2, "b": 0.1}
    assert widened((0.1, 0.2, 0.4), best) == (0.05, 0.1, 0.2, 0.4)
    assert widened((0.1, 0.2, 0.4), {"a": 0.1, "b": 0.4}) == (0.05, 0.1, 0.2, 0.4, 0.8)
    assert widened((0.1, 0.2, 0.4), {"a": 0.2}) == (0.1, 0.2, 0.4)
    with pytest.raises(InputError, match="c: every run of its search diverged"):
        best_values({"c": {0.1: None}})


@pytest.mark.parametrize(
    "wrong",
    [
        {"settings": (("lr", (1.0,)),)},
        {"settings": (("lr", (1.0, 1.0)),)},
        {"settings": (("lr", (1.0, -1.0)),)},
        {"settings": (), "held_out": 1.0},
        {"settings": (), "length": 0.0},
    ],
)
def test_wrong_tunings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match="allowed"):
        Tuning(**wrong)  # pyright: ignore[reportArgumentType]


def test_settings_are_tuned_for_every_variant_and_then_used(
    tuned: Design, carry_out: CarryOut, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def known(plan: Plan, folder: Path, name: str, grid: tuple[float, ...], diverged: object) -> Scores:
        """3x3 is best in the middle, 5x5-hamming at the upper end of the first grid."""
        wanted = {"lr": {"3x3": 0.025, "5x5-hamming": 0.1}, "weight_decay": {"3x3": 1e-3, "5x5-hamming": 1e-3}}[name]
        for variant in plan.design.variants:
            for value in grid:
                run = finished_run(folder / f"search/{variant.folder}-{name.replace('_', '-')}{value:g}")
                assert run is not None
                assert (run.config.purpose, run.config.val_fraction, run.config.epochs) == ("search", 0.2, 1)
                assert getattr(run.config, name) == value
                if name == "weight_decay":  # searched with the rate that was chosen before
                    assert run.config.lr == {"3x3": 0.025, "5x5-hamming": 0.1}[variant.name]
                assert not (run.folder / "evaluations/test.json").exists()
        return {v: {value: -abs(value - best) for value in grid} for v, best in wanted.items()}

    monkeypatch.setattr(tuning_module, "_scores", known)
    tuning = carry_out(tuned, seeds=1, only_tune=True)
    assert (tuning.record["status"], tuning.finished) == ("tuned", 0)
    # 0.025 to 0.05 first; both ends were best in a variant, so that both variants try 0.0125 and 0.1
    assert tuning.record["tuning"]["lr"]["grid"] == [0.0125, 0.025, 0.05, 0.1]
    assert tuning.record["tuning"]["lr"]["chosen"] == {"3x3": 0.025, "5x5-hamming": 0.1}
    assert len(list((tmp_path / "s/search").iterdir())) == 2 * 4 + 2 * 3
    before = json.loads((tmp_path / "s/study.json").read_text())["tuning"]
    done = carry_out(tuned, seeds=1)
    assert done.record["tuning"] == before
    configs = {v.name: done.runs(v)[0].config for v in done.design.variants}
    assert {name: (config.lr, config.epochs, config.val_fraction) for name, config in configs.items()} == {
        "3x3": (0.025, 2, 0.0),
        "5x5-hamming": (0.1, 2, 0.0),
    }
    assert [v.folder for v in done.design.variants] == ["3x3", "5x5-hamming"]
    first, second = tuning_tables(done)
    assert (first.caption, second.caption) == (
        "Tuning of the lr, before the runs",
        "Tuning of the weight decay, before the runs",
    )
    assert [row[-1] for row in first.rows] == ["0.025", "0.1 (the largest tried: try beyond it)"]
    again = carry_out(tuned, seeds=1)
    assert again.finished == 2


def test_real_accuracies_decide_and_a_study_without_a_tuning_has_none(
    tuned: Design, design: Design, carry_out: CarryOut
) -> None:
    one = replace(tuned, tuning=Tuning((("lr", (1.0, 2.0)),), 0.2, widenings=0))
    done = carry_out(one, seeds=1, only_tune=True)
    found = done.record["tuning"]["lr"]
    for name, tried in found["validation_accuracy"].items():
        for value, accuracy in tried.items():
            run = finished_run(done.folder / f"search/{name}-lr{value}")
            assert run is not None
            assert run.final()["val_accuracy"] == accuracy
        assert tried[f"{found['chosen'][name]:g}"] == max(tried.values())
    with pytest.raises(InputError, match=r"tune=True; allowed: a study .*tiny-claim tunes none"):
        carry_out(design, "t", only_tune=True)
