"""Attacks that follow gradients, each a thin call of the Adversarial Robustness Toolbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from windowconv.lab.robustness.attacks.attack import Attack, Settings
from windowconv.lab.robustness.attacks.norms import L2, L2_GRID, LINF, LINF_GRID
from windowconv.lab.robustness.attacks.target import Target, art_attacks, quiet

STEP = 2.5
"""A step is STEP * budget / steps long, so that every point of the ball can reach its edge (Madry et al.)."""


Options = Callable[[Target, float, Settings], dict[str, Any]]


def generate(attack: Any, images: Tensor, labels: Tensor | None, classes: int) -> Tensor:
    """Run one of the toolbox's attacks.

    Args:
        attack: the toolbox's.
        images: floats (N, C, H, W) in [0, 1].
        labels: int64 (N,); None for the network's own predictions.
        classes: of the network.

    Returns:
        Adversarial images, float32 (N, C, H, W) on the CPU.
    """
    arrays = images.detach().cpu().numpy().astype(np.float32)
    with quiet(), torch.enable_grad():
        if labels is None:
            found = attack.generate(arrays)
        else:  # one-hot: the toolbox reads integers of two classes as something else
            found = attack.generate(arrays, F.one_hot(labels.cpu(), classes).float().numpy())
    return torch.from_numpy(np.ascontiguousarray(found, dtype=np.float32))


def _toolbox(kind: str, options_of: Options, labelled: bool = True) -> Any:
    """The `craft` of one of the toolbox's classes.

    Args:
        kind: the class.
        options_of: its options from the target, the budget and our settings.
        labelled: whether it is told the labels; otherwise it starts from the network's predictions.
    """

    def craft(target: Target, images: Tensor, labels: Tensor, budget: float, settings: Settings) -> Tensor:
        options = {"batch_size": len(images), **options_of(target, budget, settings)}
        attack = getattr(art_attacks(), kind)(target.art, **options)
        return generate(attack, images, labels if labelled else None, target.classes)

    return craft


def _iterations(target: Target, budget: float, settings: Settings) -> dict[str, Any]:
    steps = settings["steps"]
    return {"eps": budget, "eps_step": STEP * budget / steps, "max_iter": steps, "verbose": False}


def _pgd(norm: float) -> Any:
    def craft(target: Target, images: Tensor, labels: Tensor, budget: float, settings: Settings) -> Tensor:
        from art.attacks.evasion.projected_gradient_descent.projected_gradient_descent_pytorch import (
            ProjectedGradientDescentPyTorch,
        )

        options = _iterations(target, budget, settings)
        attack = ProjectedGradientDescentPyTorch(
            target.art, norm=norm, num_random_init=settings["restarts"], batch_size=len(images), **options
        )
        return generate(attack, images, labels, target.classes)

    return craft


def _deepfool(target: Target, budget: float, settings: Settings) -> dict[str, Any]:
    return {
        "max_iter": settings["steps"],
        "epsilon": settings["overshoot"],
        "nb_grads": target.classes,
        "verbose": False,
    }


def _carlini(target: Target, budget: float, settings: Settings) -> dict[str, Any]:
    return {
        "learning_rate": settings["rate"],
        "max_iter": settings["steps"],
        "binary_search_steps": settings["searches"],
        "initial_const": settings["constant"],
        "verbose": False,
    }


def _universal(target: Target, budget: float, settings: Settings) -> dict[str, Any]:
    return {
        "attacker": "fgsm",
        "attacker_params": {"eps": budget, "batch_size": 1},
        "delta": 0.0,  # go on for all passes
        "max_iter": settings["passes"],
        "eps": budget,
        "norm": np.inf,
        "batch_size": 100,
        "verbose": False,
    }


def _steps(settings: Settings, _: int) -> tuple[float, float]:
    return 1, settings["steps"] * max(1, settings.get("restarts", 1))


ITERATIVE: Any = {"access": "gradients", "iterative": True, "cost": _steps}

GRADIENT_ATTACKS = (
    Attack(
        name="fgsm",
        title="fast gradient sign",
        unit=LINF,
        kind="budget",
        access="gradients",
        iterative=False,
        budgets=LINF_GRID,
        craft=_toolbox("FastGradientMethod", lambda _, budget, __: {"norm": np.inf, "eps": budget}),
        cost=lambda *_: (1, 1),
        source="Goodfellow et al., Explaining and harnessing adversarial examples, ICLR 2015",
    ),
    Attack(
        name="bim",
        title="basic iterative method",
        unit=LINF,
        kind="budget",
        budgets=LINF_GRID,
        craft=_toolbox("BasicIterativeMethod", _iterations),
        settings={"steps": 10},
        source="Kurakin et al., Adversarial examples in the physical world, ICLR workshop 2017",
        **ITERATIVE,
    ),
    Attack(
        name="pgd",
        title="projected gradient descent, L∞",
        unit=LINF,
        kind="budget",
        budgets=LINF_GRID,
        craft=_pgd(np.inf),
        settings={"steps": 20, "restarts": 1},
        source="Madry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018",
        **ITERATIVE,
    ),
    Attack(
        name="transfer",
        title="projected gradient descent on another arm, transferred",
        unit=LINF,
        kind="budget",
        access="none",
        iterative=False,  # more steps fit the other network better, which may transfer worse
        budgets=(1 / 255, 2 / 255, 4 / 255, 8 / 255),
        craft=_pgd(np.inf),
        cost=_steps,
        settings={"steps": 20, "restarts": 1},
        source="Papernot et al., Practical black-box attacks against machine learning, ASIA CCS 2017",
    ),
    Attack(
        name="pgd-l2",
        title="projected gradient descent, L2",
        unit=L2,
        kind="budget",
        budgets=L2_GRID,
        craft=_pgd(2),
        settings={"steps": 20, "restarts": 1},
        source="Madry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018",
        **ITERATIVE,
    ),
    Attack(
        name="deepfool",
        title="DeepFool",
        unit=L2,
        kind="minimal",
        access="gradients",
        iterative=True,
        budgets=L2_GRID,
        craft=_toolbox("DeepFool", _deepfool, labelled=False),
        cost=lambda settings, classes: (settings["steps"] / 2, settings["steps"] / 2 * classes),
        settings={"steps": 50, "overshoot": 0.02},
        source="Moosavi-Dezfooli et al., DeepFool: a simple and accurate method to fool deep networks, CVPR 2016",
    ),
    Attack(
        name="cw",
        title="Carlini & Wagner, L2",
        unit=L2,
        kind="minimal",
        access="gradients",
        iterative=True,
        budgets=L2_GRID,
        craft=_toolbox("CarliniL2Method", _carlini),
        cost=lambda settings, _: (
            6 * settings["steps"] * settings["searches"],
            settings["steps"] * settings["searches"],
        ),
        settings={"steps": 20, "searches": 6, "rate": 0.05, "constant": 0.1},
        source="Carlini & Wagner, Towards evaluating the robustness of neural networks, IEEE S&P 2017",
    ),
    Attack(
        name="universal",
        title="universal perturbation",
        unit=LINF,
        kind="budget",
        access="gradients",
        iterative=False,
        budgets=(2 / 255, 4 / 255, 8 / 255, 16 / 255),
        craft=_toolbox("UniversalPerturbation", _universal),
        cost=lambda settings, _: (3 * settings["passes"], settings["passes"]),
        settings={"passes": 3},
        whole=True,
        source="Moosavi-Dezfooli et al., Universal adversarial perturbations, CVPR 2017",
    ),
)
