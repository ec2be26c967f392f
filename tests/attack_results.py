"""Results of attacks, made up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from windowconv.lab.robustness.attacks.catalogue import ATTACKS
from windowconv.lab.robustness.attacks.result import AttackResult
from windowconv.lab.robustness.attacks.suites import Trial


def result(
    attack: str,
    robust: Sequence[float],
    budgets: Sequence[float],
    n: int = 100,
    clean: Tensor | None = None,
    distance: Tensor | None = None,
    settings: dict[str, float] | None = None,
    check: bool = False,
) -> AttackResult:
    """An attack that leaves the first `robust` share of `n` images right at each budget."""
    entry = ATTACKS[attack]
    before = torch.ones(n, dtype=torch.bool) if clean is None else clean
    broken = torch.stack([torch.arange(n) >= round(share * n) for share in robust]) | ~before
    trial = Trial(attack, n, tuple(budgets), settings or {}, check)
    record = {
        "name": trial.label, "attack": attack, "unit": entry.unit.name, "budgets": list(budgets), "check": check,
        "settings": trial.all_settings, "created": "2026-11-26T12:00:00+00:00", "seed": 0,
        "done": n, "status": "finished", "shown": None, "time_s": 1.0,
        "source": entry.source, "libraries": {"adversarial-robustness-toolbox": "1"},
        "environment": {
            "device": "none", "threads": 1, "windowconv": "0", "torch": "2", "numpy": "2", "python": "3",
            "system": "Linux",
        },
        "identity": {
            "test_hash": "0" * 64, "indices": str(n), "budgets": list(budgets), "settings": trial.all_settings,
            "weights": "0" * 16, "attack": attack, "seed": 0, "algorithm": {},
        },
    }  # fmt: skip
    nothing = torch.zeros(0, 1, 4, 4)
    return AttackResult(
        record, torch.arange(n), before, broken, distance, nothing, torch.zeros(0).long(), torch.zeros(4, 4).double()
    )
