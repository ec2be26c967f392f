"""Arms are compared seed by seed, on all images and on those that all of them get right."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from attack_results import result
from windowconv.errors import InputError
from windowconv.lab.robustness.attacks.norms import L2, LINF
from windowconv.lab.robustness.attacks.result import AttackResult
from windowconv.lab.robustness.reports import comparison as module
from windowconv.lab.robustness.reports.comparison import Comparison, differences, mean_difference

GRID = (0.1, 0.2)
Made = dict[tuple[str, int], list[AttackResult]]


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(made: Made, labels: dict[str, int] | None = None) -> Comparison:
        runs: Any = [SimpleNamespace(folder=key, config=SimpleNamespace(arm=key[0], seed=key[1])) for key in made]
        monkeypatch.setattr(module, "finished", lambda folder: made[folder])
        return Comparison.of(runs, labels)

    return make


def made_up() -> Made:
    random = np.random.default_rng(0)
    made: Made = {}
    for arm, more in (("7x7", 0.1), ("3x3", 0.0)):
        for seed in range(4):
            clean = torch.from_numpy(random.random(100) < 0.8 + more)
            share = 0.5 + more + 0.05 * random.standard_normal()
            made[arm, seed] = [
                result("fgsm", [share, share - 0.3], GRID, clean=clean),
                result("pgd", [share - 0.1, 0.1], GRID, clean=clean),
            ]
    return made


def test_curves_and_paired_intervals(compare: Any) -> None:
    made = made_up()
    found = compare(made)
    assert found.arms == ("3x3", "7x7")  # the baseline first
    assert found.seeds == (0, 1, 2, 3)
    assert found.labels == ["fgsm", "pgd-20"]
    curves = found.robust("fgsm")
    by_hand = {a: np.array([made[a, s][0].robust.double().mean(1).numpy() for s in range(4)]) for a in found.arms}
    for arm in found.arms:
        assert curves[arm] == pytest.approx(by_hand[arm])
    found_differences = differences(curves, "7x7", "3x3")
    assert found_differences is not None
    first = found_differences[0]
    test = stats.ttest_rel(100 * by_hand["7x7"][:, 0], 100 * by_hand["3x3"][:, 0]).confidence_interval(0.95)
    assert (first.low, first.high) == (pytest.approx(test.low), pytest.approx(test.high))
    mean = mean_difference(curves, "7x7", "3x3")
    assert mean is not None
    assert mean.mean == pytest.approx(100 * (by_hand["7x7"] - by_hand["3x3"]).mean())


def test_the_common_images_are_those_that_all_arms_of_the_seed_get_right(compare: Any) -> None:
    made = made_up()
    found = compare(made)
    curves = found.robust("pgd-20", common=True)
    for seed in range(4):
        both = made["3x3", seed][1].clean & made["7x7", seed][1].clean
        assert found.common_images("pgd-20")[seed] == int(both.sum())
        for arm in found.arms:
            right = made[arm, seed][1].robust[:, both].double().mean(1).numpy()
            assert curves[arm][seed] == pytest.approx(right)


def test_the_worst_case_is_below_each_attack(compare: Any) -> None:
    found = compare(made_up())
    budgets, attacks, curves = found.worst(LINF)
    assert (budgets, attacks) == (GRID, ("fgsm", "pgd-20"))
    for label in found.labels:
        for arm in found.arms:
            assert (curves[arm] <= found.robust(label)[arm] + 1e-12).all()
    assert found.worst(L2) is None


def test_medians_count_what_withstood_as_infinitely_far(compare: Any) -> None:
    far = float("inf")
    distance = torch.tensor([0.0, 0.1, 0.2, 0.3, far]).double()
    clean = distance > 0
    made = {("3x3", 0): [result("deepfool", [1, 1], GRID, 5, clean, distance)]}
    assert compare(made).medians("deepfool-50") == {"3x3": [pytest.approx(0.2)]}
    made["7x7", 0] = [result("deepfool", [1, 1], GRID, 5, clean, torch.tensor([0.0, far, far, far, 0.1]).double())]
    assert compare(made).medians("deepfool-50")["7x7"] == [None]


def test_what_cannot_be_compared_is_refused(compare: Any) -> None:
    made = made_up()
    other = result("fgsm", [0.5, 0.4], (0.1, 0.3))
    with pytest.raises(InputError, match="'fgsm' was run with other budgets"):
        compare({**made, ("7x7", 0): [other]})
    with pytest.raises(InputError, match="no attack in common"):
        compare({**made, ("7x7", 0): [result("square", [0.5], (0.1,))]})
    with pytest.raises(InputError, match="no seed in common"):
        compare({("3x3", 0): made["3x3", 0], ("7x7", 1): made["7x7", 1]})
    with pytest.raises(InputError, match="no attack in common"):
        compare(made, {"deepfool-50": 100})
