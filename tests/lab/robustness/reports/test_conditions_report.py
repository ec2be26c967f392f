"""The report's numbers are those of the answers, image by image, and its differences those of SciPy's paired t."""

import re
from collections.abc import Callable
from dataclasses import asdict
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure as Drawing
from safetensors.torch import save_file
from scipy.stats import ttest_rel

from windowconv import plots
from windowconv.errors import InputError
from windowconv.lab.config import RunConfig, Training
from windowconv.lab.data import ImageData
from windowconv.lab.progress import Progress
from windowconv.lab.robustness.conditions.catalogue import conditions
from windowconv.lab.robustness.conditions.record import Answers, read_measurement
from windowconv.lab.robustness.evaluations.conditions import measure_conditions
from windowconv.lab.robustness.evaluations.sensitivity import measure_heat_maps, measure_shifts
from windowconv.lab.robustness.reports.conditions_comparison import ConditionsComparison
from windowconv.lab.robustness.reports.conditions_pictures import curves
from windowconv.lab.robustness.reports.conditions_report import (
    conditions_section,
    corruptions_table,
    kinds_table,
    shared_table,
)
from windowconv.lab.robustness.reports.sensitivity_report import heat_map_section, shifts_section
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.train import train
from windowconv.report import Figure, Page, Section, Table, Text, render

ARMS = ("3x3", "7x7-hamming")
SEEDS = 3
SERIES = ("gaussian_noise", "motion_blur", "fog", "pixelate")
Runs = dict[str, list[Run]]


def is_tested(condition: Any) -> bool:
    corruption = condition.series in SERIES and condition.parameter in (1, 5)
    return corruption or condition.name in ("noise-low-0.2", "noise-high-0.2", "low-pass-0.125", "low-pass-0.25")


TESTED = tuple(condition for condition in conditions((12, 12), 1) if is_tested(condition))


@pytest.fixture(scope="module")
def runs(settings: Training, tiny: ImageData, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Answers runs; trained so little that answers are drawn by lot instead, mostly right when clean."""
    folder = tmp_path_factory.mktemp("runs")

    def make(arm: str, seed: int) -> Run:
        config = RunConfig(**{**asdict(settings), "epochs": 1, "data": "gratings", "arm": arm, "seed": seed})
        return train(config, tiny, folder / config.run_name, Progress())

    made = {arm: [make(arm, seed) for seed in range(SEEDS)] for arm in ARMS}
    every = [run for held in made.values() for run in held]
    measure_conditions(every, tiny.test, TESTED)
    measure_shifts(every, tiny.test)
    measure_heat_maps(every, tiny.test, size=5)
    for number, run in enumerate(every):
        answers = {name: draw_answers(number, name) for name in Answers.read(run, 43).correct}
        save_file(answers, run.folder / "evaluations/conditions-on-43.safetensors")
    return made


def draw_answers(number: int, name: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1000 * number + len(name))
    return torch.rand(43, generator=generator) < (0.9 if name == "clean" else 0.6)


@pytest.fixture(scope="module")
def found(runs: Runs) -> ConditionsComparison:
    return ConditionsComparison.read(runs)


def mean_error(run: Run, names: list[str], among: np.ndarray | None = None) -> float:
    correct = Answers.read(run, 43).correct
    wrong = np.array([1 - correct[name].double().numpy() for name in names])
    return 100 * (wrong if among is None else wrong[:, among]).mean()


def shown(values: list[float], against: list[float]) -> str:
    if np.ptp(np.subtract(values, against)) == 0:
        low = high = values[0] - against[0]
    else:
        low, high = ttest_rel(values, against).confidence_interval()
    return f"{np.mean(values) - np.mean(against):+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "−")


def rows_of(table: Any, title: str) -> dict[str, list[Any]]:
    return {row[1]: list(row[2:]) for row in table.rows if row[0] == title}


@pytest.mark.parametrize(
    ("title", "chosen"),
    [
        ("all corruptions (4)", lambda c: c.family == "corruption"),
        ("high-frequency corruptions (2)", lambda c: c.series in ("gaussian_noise", "pixelate")),
        ("corruptions: blur", lambda c: c.series == "motion_blur"),
        ("low noise", lambda c: c.name == "noise-low-0.2"),
        ("low pass", lambda c: c.family == "low pass"),
    ],
)
def test_errors_by_kind(found: ConditionsComparison, runs: Runs, title: str, chosen: Callable[..., bool]) -> None:
    names = [condition.name for condition in TESTED if chosen(condition)]
    errors = {arm: [mean_error(run, names) for run in runs[arm]] for arm in ARMS}
    added = {arm: [mean_error(run, names) - mean_error(run, ["clean"]) for run in runs[arm]] for arm in ARMS}
    rows = rows_of(kinds_table(found), title)
    assert list(rows) == list(ARMS)
    for arm in ARMS:
        mean, sd, minus, relative, more, more_minus = rows[arm]
        assert mean == pytest.approx(np.mean(errors[arm]))
        assert sd == pytest.approx(np.std(errors[arm], ddof=1))
        assert more == pytest.approx(np.mean(added[arm]))
        series = {c.series for c in TESTED if chosen(c)}
        members = [[c.name for c in TESTED if c.series == one and chosen(c)] for one in sorted(series)]
        ratios = [
            np.mean([mean_error(run, of) / mean_error(base, of) for of in members])
            for run, base in zip(runs[arm], runs["3x3"], strict=True)
        ]
        assert relative == pytest.approx(100 * np.mean(ratios))
        assert minus == (None if arm == "3x3" else shown(errors[arm], errors["3x3"]))
        assert more_minus == (None if arm == "3x3" else shown(added[arm], added["3x3"]))


def test_clean_images_come_first(found: ConditionsComparison, runs: Runs) -> None:
    rows = rows_of(kinds_table(found), "none (clean images)")
    for arm in ARMS:
        errors = [mean_error(run, ["clean"]) for run in runs[arm]]
        assert rows[arm] == [
            pytest.approx(np.mean(errors)),
            pytest.approx(np.std(errors, ddof=1)),
            None if arm == "3x3" else shown(errors, [mean_error(run, ["clean"]) for run in runs["3x3"]]),
            *[None] * 3,
        ]
    assert "43 test images of gratings, 3 seeds an arm" in kinds_table(found).note
    assert "imagecorruptions-imaug 1.1.5" in kinds_table(found).note


def test_errors_by_corruption(found: ConditionsComparison, runs: Runs) -> None:
    table = corruptions_table(found)
    assert [row[:3] for row in table.rows] == [
        ["Gaussian noise", "noise", "high"],
        ["motion blur", "blur", "mid"],
        ["fog", "weather", "low"],
        ["pixelate", "digital", "high"],
    ]
    for row, name in zip(table.rows, SERIES, strict=True):
        errors = {arm: [mean_error(run, [f"{name}-1", f"{name}-5"]) for run in runs[arm]] for arm in ARMS}
        assert row[3:6] == [
            pytest.approx(np.mean(errors["3x3"])),
            pytest.approx(np.mean(errors["7x7-hamming"])),
            shown(errors["7x7-hamming"], errors["3x3"]),
        ]
        changes = [Answers.read(runs["3x3"][0], 43).record["conditions"][f"{name}-{s}"]["change"] for s in (1, 5)]
        assert row[6] == pytest.approx(np.mean([change["rms"] for change in changes]))
        assert sum(float(cell or 0) for cell in row[7:]) == pytest.approx(100)


def test_the_comparison_on_images_that_all_get_right(found: ConditionsComparison, runs: Runs) -> None:
    clean = [Answers.read(run, 43).correct["clean"].numpy() for held in runs.values() for run in held]
    among = np.all(clean, axis=0)
    assert 0 < among.sum() < len(among)
    table = shared_table(found)
    assert isinstance(table, Table)
    assert f"the {among.sum()} of 43 images" in table.note
    errors = {arm: [mean_error(run, ["low-pass-0.125", "low-pass-0.25"], among) for run in runs[arm]] for arm in ARMS}
    rows = rows_of(table, "low pass")
    for arm in ARMS:
        assert rows[arm][0] == pytest.approx(np.mean(errors[arm]))
        assert rows[arm][2] == (None if arm == "3x3" else shown(errors[arm], errors["3x3"]))


def test_where_no_image_is_right_everywhere_it_says_so(found: ConditionsComparison) -> None:
    never = Answers(
        found.record, {name: torch.zeros(43, dtype=torch.bool) for name in ("clean", *(c.name for c in TESTED))}
    )
    block = shared_table(ConditionsComparison({"3x3": [never]}, TESTED))
    assert isinstance(block, Text)
    assert "left out" in block.text
    always = Answers(found.record, {name: ~held for name, held in never.correct.items()})
    assert ConditionsComparison({"3x3": [always]}, TESTED).relative(TESTED) == {"3x3": None}  # nothing to divide by


def test_curves_are_means_over_conditions_of_one_parameter(found: ConditionsComparison, runs: Runs) -> None:
    high = [condition for condition in TESTED if condition.band == "high" and condition.family == "corruption"]
    x, errors = found.curve(high)
    assert x == [1.0, 5.0]
    for arm in ARMS:
        expected = [[mean_error(run, [f"gaussian_noise-{s}", f"pixelate-{s}"]) for s in (1, 5)] for run in runs[arm]]
        np.testing.assert_allclose(errors[arm], expected)


def test_filters_curves_end_with_clean_images(found: ConditionsComparison, runs: Runs, monkeypatch: Any) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "error_curves", lambda panels, *_, **__: drawn.extend(panels) or Drawing())
    curves(found)
    assert [panel.title for panel in drawn] == [
        *(f"{band}-frequency corruptions" for band in ("low", "mid", "high")),
        *(f"{band}-frequency noise" for band in ("low", "high")),
        "low pass",
    ]
    for panel, names in (
        (drawn[0], ["clean", "fog-1", "fog-5"]),
        (drawn[-1], ["low-pass-0.125", "low-pass-0.25", "clean"]),
    ):
        for arm in ARMS:
            expected = [[mean_error(run, [name]) for name in names] for run in runs[arm]]
            np.testing.assert_allclose(panel.errors[arm], expected)
    assert list(drawn[0].x) == [0, 1, 5]
    assert list(drawn[-1].ticks) == ["1/8", "1/4", "clean"]


def page_of(section: Section) -> str:
    return unescape(render(Page("A page", "Lead.", [section])))


def test_the_sections_are_pages_with_every_figure(runs: Runs, tiny: ImageData, tmp_path: Path) -> None:
    section = conditions_section(runs, tiny.test)
    captions = [block.caption for block in section.blocks if isinstance(block, Figure)]
    assert [caption.split()[0] for caption in captions] == ["Mean", "Error", "Error", "One", "The"]
    page = page_of(section)
    assert page.count("<svg") == 5
    assert re.search(r"relative to 3x3 \(%\)", page)
    assert len([block for block in conditions_section(runs).blocks if isinstance(block, Figure)]) == 3
    shifts = page_of(shifts_section(runs))
    differing = [
        100 * (1 - read_measurement(run, "shifts", 43)["figures"]["shifts"][0]["share"]) for run in runs["3x3"]
    ]
    assert f"{np.mean(differing):.2f}" in shifts
    maps = page_of(heat_map_section(runs))
    assert maps.count("<svg") == 3  # two arms and their difference
    assert "7x7-hamming minus 3x3" in maps


def test_heat_maps_by_band(runs: Runs) -> None:
    table = heat_map_section(runs).blocks[-1]
    assert isinstance(table, Table)
    titles = [column.title for column in table.headings()]
    at = titles.index("mid (%)")
    for row in table.rows:
        errors = []
        for run in runs[str(row[0])]:
            figures = read_measurement(run, "heat-map", 43)["figures"]
            r = np.hypot(np.array(figures["rows"])[:, None], np.array(figures["columns"])[None])
            errors.append(100 * np.array(figures["error"])[(r >= 1 / 8) & (r < 1 / 4)].mean())
        assert row[at] == pytest.approx(np.mean(errors))


def test_what_cannot_be_compared_is_named(runs: Runs, make_run: Callable[..., Run], tiny: ImageData) -> None:
    other = make_run("5x5", 0)
    with pytest.raises(InputError, match=r"5x5-seed0 has no evaluations/conditions-on-N.json; measure it first"):
        ConditionsComparison.read({"3x3": runs["3x3"][:1], "5x5": [other]})
    measure_conditions([other], tiny.test, TESTED[:2])
    with pytest.raises(InputError, match=r"5x5-seed0 was not measured under '.*', as 3x3-seed0 was; measure both"):
        conditions_section({"3x3": runs["3x3"][:1], "5x5": [other]})
    drawn = make_run("5x5", 1)
    measure_conditions([drawn], tiny.test, TESTED, seed=1)
    with pytest.raises(InputError, match="5x5-seed1 was measured under conditions with another seed than 3x3-seed1"):
        conditions_section({"3x3": runs["3x3"][1:2], "5x5": [drawn]})
    measure_shifts([drawn], tiny.test, seed=1)
    with pytest.raises(InputError, match=r"5x5-seed1 was measured \(shifts\) with another seed than other runs"):
        shifts_section({"3x3": runs["3x3"][1:2], "5x5": [drawn]})
    measure_conditions([drawn], tiny.test, TESTED, count=20)
    with pytest.raises(InputError, match=r"3x3-seed1 has no evaluations/conditions-on-N.json on 20 images"):
        conditions_section({"3x3": runs["3x3"][1:2], "5x5": [drawn]}, count=20)
    for unpaired in (
        {},
        {"3x3": []},
        {"3x3": runs["3x3"], "7x7": runs["7x7-hamming"][:2]},
        {"3x3": runs["3x3"][:1] * 2},
    ):
        with pytest.raises(InputError, match="allowed: one arm or more, all with the same seeds"):
            ConditionsComparison.read(unpaired)
