"""How settings are chosen for each variant before its runs: one grid and one budget for all, on held-out images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from windowconv.errors import InputError

Grid = tuple[float, ...]
Scores = Mapping[str, Mapping[float, float | None]]
"""Validation accuracy by variant and value; None for a run that diverged."""


@dataclass(frozen=True)
class Tuning:
    """A search before the runs.

    The settings are searched one after another, each with the values that were chosen before it. All variants have the
    same grid; where the best value of any of them lies at an end, the grid is widened there for all, so that their
    budgets stay the same.

    Args:
        settings: names, and factors of the shared value that are tried first.
        held_out: fraction of the training images that decide, and on which nothing is trained.
        length: of a search's run, as a fraction of the epochs.
        widenings: how often a grid may be widened at most.

    Raises:
        InputError: fewer than two factors, some that are not positive or come twice; a fraction outside (0, 1).
    """

    settings: tuple[tuple[str, Grid], ...]
    held_out: float = 0.1
    length: float = 0.5
    widenings: int = 4

    def __post_init__(self) -> None:
        for name, factors in self.settings:
            if len(factors) < 2 or len(set(factors)) != len(factors) or not all(factor > 0 for factor in factors):
                raise InputError(f"{name}={factors}; allowed: two or more positive factors, each once")
        if not 0 < self.held_out < 1:
            raise InputError(f"held_out={self.held_out}; allowed: above 0 and below 1")
        if not 0 < self.length <= 1:
            raise InputError(f"length={self.length}; allowed: above 0, 1 at most")

    def grid(self, factors: Sequence[float], shared: float) -> Grid:
        """The values that are tried first, in order.

        Args:
            factors: as `settings` has them.
            shared: what all variants have without tuning.
        """
        # the shared value stays as it is, so that runs with it are the recipe's own
        return tuple(sorted(shared if factor == 1 else _rounded(shared * factor) for factor in factors))


def best_values(scores: Scores) -> dict[str, float]:
    """Of each variant, the value with the best accuracy; of equal ones, the smallest.

    Raises:
        InputError: a variant all of whose runs diverged.
    """
    best = {}
    for variant, tried in scores.items():
        found = {value: accuracy for value, accuracy in tried.items() if accuracy is not None}
        if not found:
            raise InputError(f"{variant}: every run of its search diverged; allowed: a grid of smaller values")
        best[variant] = max(sorted(found), key=lambda value: found[value])
    return best


def widened(grid: Grid, best: Mapping[str, float]) -> Grid:
    """The grid, with one more value at each end at which a variant's best one lies; the same grid if none does.

    >>> widened((0.5, 1.0, 2.0), {"3x3": 1.0, "7x7": 2.0})
    (0.5, 1.0, 2.0, 4.0)
    """
    chosen = set(best.values())
    below = (_rounded(grid[0] * grid[0] / grid[1]),) if grid[0] in chosen else ()
    above = (_rounded(grid[-1] * grid[-1] / grid[-2]),) if grid[-1] in chosen else ()
    return (*below, *grid, *above)


def _rounded(value: float) -> float:
    """To six digits: what folder names and commands show."""
    return float(f"{value:.6g}")
