"""Budgets: what each unit allows, and what changes measure."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from windowconv.errors import InputError
from windowconv.lab.robustness.attacks.norms import DEGREES, L2, LINF, PIXELS, UNITS, Unit, check_grid

SHAPE = (3, 8, 6)


@pytest.mark.parametrize(
    ("unit", "budget"),
    [(LINF, 1.0), (LINF, 1e-4), (L2, math.sqrt(144)), (PIXELS, 1), (PIXELS, 48), (DEGREES, 180), (DEGREES, 0.5)],
)
def test_budgets_within_range(unit: Unit, budget: float) -> None:
    unit.check(budget, SHAPE)


@pytest.mark.parametrize(
    ("unit", "budget", "says"),
    [
        (LINF, 0, "above 0 to 1"), (LINF, 1.01, "above 0 to 1"), (LINF, 8, "budget=8; allowed .L∞"),
        (L2, -1, "above 0 to 12"), (L2, 12.1, "above 0 to 12"), (PIXELS, 1.5, "whole numbers"),
        (PIXELS, 49, "above 0 to 48"), (DEGREES, 181, "above 0 to 180"), (LINF, math.nan, "nan"),
        (L2, math.inf, "inf"),
    ],
)  # fmt: skip
def test_budgets_out_of_range(unit: Unit, budget: float, says: str) -> None:
    with pytest.raises(InputError, match=says):
        unit.check(budget, SHAPE)


def test_a_grid_ascends_and_has_each_budget_once() -> None:
    assert check_grid([0.2, 0.1], LINF, SHAPE) == (0.1, 0.2)
    with pytest.raises(InputError, match="each once"):
        check_grid([0.1, 0.1], LINF, SHAPE)
    with pytest.raises(InputError, match="one or more"):
        check_grid([], LINF, SHAPE)


@given(st.integers(0, 2**31), st.integers(1, 4))
def test_sizes_are_those_of_numpys_norms(seed: int, n: int) -> None:
    change = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))
    flat = change.double().numpy().reshape(n, -1)
    assert LINF.size is not None
    assert L2.size is not None
    assert LINF.size(change).numpy() == pytest.approx(abs(flat).max(1))
    assert L2.size(change).numpy() == pytest.approx((flat**2).sum(1) ** 0.5)


def test_pixels_are_counted_over_colours() -> None:
    change = torch.zeros(2, *SHAPE)
    change[0, :, 1, 1], change[0, 2, 0, 0], change[1, 0, 0, 0] = 0.5, -0.1, 1e-9
    assert PIXELS.size is not None
    assert PIXELS.size(change).tolist() == [2, 0]


def test_units_are_known_by_their_names() -> None:
    assert [UNITS[unit.name] is unit for unit in (LINF, L2, PIXELS, DEGREES)] == [True] * 4
