"""The README's sentences follow the records: the verb from the interval, the numbers from the study with most seeds."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from windowconv.lab.recipes import RECIPES
from windowconv.lab.studies.design.catalogue import STUDIES
from windowconv.lab.studies.design.design import Contrast, Design, Variant
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import analyse
from windowconv.lab.studies.reports.entries import Entry
from windowconv.lab.studies.reports.key_findings import SENTENCES, how_firm, key_findings

Written = Callable[..., StudyFolder]
BASE = [90.0, 90.4, 89.8, 90.2]
WOBBLE = [0.1, -0.1, 0.0, 0.05]


def above(by: float, seeds: int = 4) -> list[float]:
    return [round(b + by + w, 3) for b, w in zip(BASE, WOBBLE, strict=True)][:seeds]


@pytest.fixture
def window(written: Written, design: Design) -> Callable[..., StudyFolder]:
    """`window(by, name, ...)`: a study in which 7x7-hamming is better than 7x7 by so many points."""

    def make(by: float, name: str, seeds: int = 4, data: str = "cifar10", scale: str = "small") -> StudyFolder:
        variants = (Variant("7x7"), Variant("7x7-hamming"))
        made = replace(design, variants=variants, primary=Contrast(("7x7-hamming",), ("7x7",)), secondary=())
        values = {"7x7": BASE[:seeds], "7x7-hamming": above(by, seeds)}
        return written(values, made, name=name, data=data, scale=scale)

    return make


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (1.0, "beat plain 7x7 kernels on CIFAR-10 (+1.01 ["),
        (-1.0, "lose to plain 7x7 kernels on CIFAR-10 (−0.99 ["),
        (0.0, "do not differ clearly from plain 7x7 kernels on CIFAR-10 (+0.01 ["),
    ],
)
def test_the_verb_is_what_the_interval_says(window: Callable[..., StudyFolder], by: float, said: str) -> None:
    study = window(by, "s")
    line, *_ = key_findings([Entry(study)])
    assert line.startswith(f"- **Window.** 7x7 kernels with a Hamming window {said}")
    primary = analyse(study).primary
    assert primary is not None
    effect = primary.effect
    assert effect is not None
    assert effect.interval is not None
    interval = "[{:+.2f}, {:+.2f}]".format(*effect.interval).replace("-", "−")
    assert line.endswith(f" {interval}, [4 seeds](results/studies/s/tables.md)).")


def test_most_seeds_count_and_data_sets_are_told_apart(window: Callable[..., StudyFolder]) -> None:
    studies = [
        window(2.0, "few", seeds=2),
        window(1.0, "many"),
        window(3.0, "last", seeds=3),
        window(0.0, "other", data="fashion-mnist"),
        window(1.5, "third", data="mine", scale="smoke"),
    ]
    line, *_ = key_findings([Entry(study) for study in studies])
    first, second, third = (line.index(text) for text in ("Fashion-MNIST (+0.01", "and beat them on CIFAR-10", "mine"))
    assert first < second < third
    assert "(+1.01 " in line
    assert "few" not in line
    assert "last" not in line
    assert line.endswith("[4 seeds](results/studies/third/tables.md), scale smoke).")


def test_without_an_interval_nothing_is_said(window: Callable[..., StudyFolder]) -> None:
    one = window(1.0, "one", seeds=1)
    assert key_findings([]) == []
    assert key_findings([Entry(one)]) == []


def test_every_contrast_is_one_that_a_study_names() -> None:
    named = {contrast for design in STUDIES.values() for contrast in design.contrasts}
    assert {clause.contrast for clauses in SENTENCES.values() for clause in clauses} <= named


def test_a_contrast_that_no_study_named_is_measured_too(written: Written, design: Design) -> None:
    variants = (Variant("3x3"), Variant("5x5"), Variant("7x7-hamming"))
    made = replace(design, variants=variants, primary=Contrast(("7x7-hamming",), ("3x3",)), secondary=())
    study = written({"3x3": BASE, "5x5": above(2.0), "7x7-hamming": above(1.0)}, made, data="cifar10")
    kernel_size, window, *_ = key_findings([Entry(study)], "../")
    assert kernel_size.startswith(
        "- **Kernel size.** At equal width, 5x5 kernels beat 3x3 kernels on CIFAR-10 (+2.01 ["
    )
    assert "[4 seeds](../results/studies/s/tables.md)" in kernel_size
    assert "windowed 7x7 kernels lose to plain 5x5 kernels" in window.replace("Windowed", "windowed")


def test_the_strong_regime_counts_more_and_what_decides_is_named(
    window: Callable[..., StudyFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "tiny-strong", RECIPES["tiny-small"])
    small, strong = window(1.0, "small"), window(-1.0, "strong", seeds=3, scale="strong")
    line, *_ = key_findings([Entry(small), Entry(strong)])
    assert "lose to plain 7x7 kernels on CIFAR-10 (−1.00 [" in line
    assert how_firm([Entry(small), Entry(strong)]) == "No study here decides yet: all of this is exploratory."
