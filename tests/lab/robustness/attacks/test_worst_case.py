"""The pointwise worst case is what a loop over images, attacks and budgets says."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attack_results import result
from windowconv.errors import InputError
from windowconv.lab.robustness.attacks.norms import L2, LINF
from windowconv.lab.robustness.attacks.result import AttackResult
from windowconv.lab.robustness.attacks.worst_case import worst_case


def random_outcome(attack: str, budgets: tuple[float, ...], n: int, clean: torch.Tensor, seed: int) -> AttackResult:
    made = result(attack, [1.0] * len(budgets), budgets, n, clean)
    generator = torch.Generator().manual_seed(seed)
    made.broken[:] = (torch.rand(made.broken.shape, generator=generator) < 0.4) | ~clean
    return made


@given(st.integers(0, 10**6), st.integers(1, 9))
def test_it_is_the_worst_of_all_attacks_up_to_the_budget(seed: int, n: int) -> None:
    clean = torch.rand(n, generator=torch.Generator().manual_seed(seed)) < 0.8
    ones = random_outcome("fgsm", (0.1, 0.2), n, clean, seed), random_outcome("pgd", (0.1, 0.3), n, clean, seed + 1)
    found = worst_case(ones, LINF)
    assert found is not None
    assert found.budgets == (0.1, 0.2, 0.3)
    for row, budget in zip(found.robust.tolist(), found.budgets, strict=True):
        for i, right in enumerate(row):
            falls = any(one.broken[k, i] for one in ones for k, b in enumerate(one.budgets) if b <= budget)
            assert right == (bool(clean[i]) and not falls)


def test_a_distance_breaks_at_every_budget_from_it_on() -> None:
    distance = torch.tensor([0.0, 0.05, 0.15, 0.3, math.inf]).double()
    made = result("deepfool", [1, 1], (0.1, 0.2), 5, distance > 0, distance)
    other = result("pgd-l2", [0.6], (0.4,), 5, distance > 0)  # breaks the last two
    found = worst_case([made, other], L2)
    assert found is not None
    assert found.robust.tolist() == [[False, False, True, True, True], [False, False, False, True, True], [False] * 5]


def test_checks_and_other_units_are_left_out() -> None:
    ones = [
        result("pgd", [0.1], (0.1,), check=True), result("fgsm", [0.5], (0.1,)), result("pgd-l2", [0.0], (0.1,))
    ]  # fmt: skip
    found = worst_case(ones, LINF)
    assert found is not None
    assert found.attacks == ("fgsm",)
    assert found.robust.double().mean() == 0.5
    assert worst_case(ones[:1], LINF) is None


def test_different_images_do_not_compare() -> None:
    with pytest.raises(InputError, match=r"'fgsm' and 'pgd-20' were tried on different images \(100 and 50\)"):
        worst_case([result("fgsm", [0.5], (0.1,)), result("pgd", [0.5], (0.1,), 50)], LINF)
