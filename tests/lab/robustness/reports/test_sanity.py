"""Each check holds where the attack does its work, and says so in words where it does not."""

import pytest

from attack_results import result
from windowconv.lab.robustness.attacks.result import AttackResult
from windowconv.lab.robustness.reports.sanity import sanity_checks

GRID = (1 / 255, 4 / 255)


def verdicts(*results: AttackResult) -> dict[str, tuple[bool, str]]:
    return {check.name: (check.passed, check.found) for check in sanity_checks(results, 10)}


def test_a_sound_evaluation_passes_every_check() -> None:
    found = verdicts(
        result("noise", [0.9, 0.85], GRID),
        result("fgsm", [0.7, 0.4], GRID),
        result("pgd", [0.6, 0.1], GRID),
        result("square", [0.65, 0.2], GRID),
        result("pgd", [0.59, 0.1, 0.0], (*GRID, 1.0), settings={"steps": 40}, check=True),
    )
    assert len(found) >= 10
    assert all(passed for passed, _ in found.values())


@pytest.mark.parametrize(
    ("name", "results", "says"),
    [
        ("pgd-20: a larger budget never helps the network", [result("pgd", [0.2, 0.5], GRID)],
         "robust accuracy rises by 30.0% from 1/255 to 4/255"),
        ("pgd-40 is no weaker than pgd-20 at 4/255",
         [result("pgd", [0.5, 0.1], GRID), result("pgd", [0.5, 0.3], GRID, settings={"steps": 40})],
         "robust accuracy 30.0%, with fewer steps 10.0%"),
        ("an attack that may change everything brings the network to chance or below",
         [result("pgd", [0.5, 0.2], (0.1, 1.0))], "leaves 20.0%; chance is 10.0%"),
        ("noise: random signs are weaker than fgsm",
         [result("noise", [0.9, 0.3], GRID), result("fgsm", [0.8, 0.6], GRID)],
         "at 4/255 noise leaves 30.0%, fgsm 60.0%"),
        ("fgsm: one step is no stronger than pgd-20",
         [result("fgsm", [0.5, 0.4], GRID), result("pgd", [0.6, 0.4], GRID)],
         "at 1/255 fgsm leaves 50.0%, pgd-20 60.0%"),
        ("square: a black box is no stronger than pgd-20",
         [result("square", [0.5, 0.1], GRID), result("pgd", [0.5, 0.4], GRID)],
         "at 4/255 square leaves 10.0%, pgd-20 40.0%"),
    ],
)  # fmt: skip
def test_a_violated_check_says_what_it_found(name: str, results: list[AttackResult], says: str) -> None:
    passed, found = verdicts(*results)[name]
    assert not passed
    assert says in found


def test_one_large_step_may_overshoot() -> None:
    assert not any("fgsm: a larger budget" in name for name in verdicts(result("fgsm", [0.2, 0.5], GRID)))


def test_chance_is_allowed_for() -> None:
    found = verdicts(result("fgsm", [0.50, 0.40], GRID), result("pgd", [0.52, 0.40], GRID))
    assert found["fgsm: one step is no stronger than pgd-20"][0]


def test_a_check_compares_the_images_that_both_have() -> None:
    few = result("pgd", [0.5, 0.1], GRID, n=50, settings={"steps": 40})
    many = result("pgd", [0.25, 0.05], GRID, n=100)  # the same images: the first 25 of each are right
    passed, found = verdicts(many, few)["pgd-40 is no weaker than pgd-20 at 1/255"]
    assert passed
    assert "50.0%, with fewer steps 50.0%" in found
