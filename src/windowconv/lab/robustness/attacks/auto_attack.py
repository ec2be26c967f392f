"""The four members of the standard AutoAttack, whose pointwise worst case is AutoAttack, and two of them in L2."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from windowconv.errors import require
from windowconv.lab.robustness.attacks.attack import Attack, Settings
from windowconv.lab.robustness.attacks.norms import L2, LINF
from windowconv.lab.robustness.attacks.target import Target, quiet

SOURCE = "Croce & Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse attacks, ICML 2020"
BUDGETS = (0.5 / 255, 1 / 255, 2 / 255)
MEMBERS = ("apgd-ce", "apgd-t", "fab-t", "square")
L2_BUDGETS = (0.05, 0.1, 0.2)
BUDGET: dict[str, Any] = {"unit": LINF, "kind": "budget", "iterative": True, "budgets": BUDGETS}
L2_BUDGET: dict[str, Any] = {**BUDGET, "unit": L2, "budgets": L2_BUDGETS}


def _member(module: str, kind: str, settings_of: Any, norm: str = "Linf") -> Any:
    """The `craft` of a member: a class of pyautoattack, with options from our settings and the number of classes."""

    def craft(target: Target, images: Tensor, labels: Tensor, budget: float, settings: Settings) -> Tensor:
        with quiet(), torch.enable_grad():
            made = getattr(require(f"pyautoattack.{module}", "attacks"), kind)
            options = settings_of(settings, target.classes)
            seed = int(torch.randint(2**31, ()).item())
            attack = made(target.logits, norm=norm, eps=budget, seed=seed, device=target.device, **options)
            if kind == "FABAttack_PT":
                attack.targeted = True
            found = attack.perturb(images.to(target.device), labels.to(target.device))
        return found.detach().cpu()

    return craft


def _targets(classes: int) -> int:
    return min(9, classes - 1)


def _apgd(norm: str) -> Any:
    return _member(
        "autopgd_base", "APGDAttack", lambda s, _: {"n_iter": s["steps"], "loss": "ce", "n_restarts": 1}, norm
    )


def _targeted_apgd(norm: str) -> Any:
    return _member(
        "autopgd_base",
        "APGDAttack_targeted",
        lambda s, classes: {"n_iter": s["steps"], "n_target_classes": _targets(classes)},
        norm,
    )


APGD: dict[str, Any] = {
    "cost": lambda settings, _: (0, settings["steps"]),
    "settings": {"steps": 100},
    "source": SOURCE,
    "access": "gradients",
}
TARGETED_APGD: dict[str, Any] = {
    **APGD,
    "cost": lambda settings, classes: (0, settings["steps"] * _targets(classes) * 0.7),
    "classes": 4,  # the DLR loss divides by a difference of the first and the third and fourth scores
}

AUTO_ATTACK = (
    Attack(name="apgd-ce", title="APGD on the cross-entropy", craft=_apgd("Linf"), **APGD, **BUDGET),
    Attack(
        name="apgd-t", title="APGD on the targeted DLR loss", craft=_targeted_apgd("Linf"), **TARGETED_APGD, **BUDGET
    ),
    Attack(name="apgd-ce-l2", title="APGD on the cross-entropy, L2", craft=_apgd("L2"), **APGD, **L2_BUDGET),
    Attack(
        name="apgd-t-l2",
        title="APGD on the targeted DLR loss, L2",
        craft=_targeted_apgd("L2"),
        **TARGETED_APGD,
        **L2_BUDGET,
    ),
    Attack(
        name="fab-t",
        title="FAB, targeted",
        craft=_member(
            "fab_pt",
            "FABAttack_PT",
            lambda s, classes: {"n_iter": s["steps"], "n_restarts": 1, "n_target_classes": _targets(classes)},
        ),
        cost=lambda settings, classes: (settings["steps"] * _targets(classes), settings["steps"] * _targets(classes)),
        settings={"steps": 100},
        source="Croce & Hein, Minimally distorted adversarial examples with a fast adaptive boundary attack, ICML 2020",
        access="gradients",
        **BUDGET,
    ),
    Attack(
        name="square",
        title="Square (black box)",
        access="scores",
        craft=_member(
            "square",
            "SquareAttack",
            lambda s, _: {"n_queries": s["queries"], "p_init": 0.8, "n_restarts": 1, "resc_schedule": False},
        ),
        cost=lambda settings, _: (0.5 * settings["queries"], 0),
        settings={"queries": 5000},
        source="Andriushchenko et al., Square attack: a query-efficient black-box adversarial attack, ECCV 2020",
        **BUDGET,
    ),
)
