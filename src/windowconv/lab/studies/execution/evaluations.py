"""What is measured of a run after its training, each once, into `evaluations/NAME.json` of its folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from windowconv.errors import InputError, unknown
from windowconv.lab.config import Execution
from windowconv.lab.data import ImageData
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.records import write_json
from windowconv.lab.training.loading import example_images, limit_images
from windowconv.spectra.curve import RADII
from windowconv.spectra.network import leakage
from windowconv.spectra.shift import shift_consistency

SHIFTED = 2_000
ATTACKED = 500
BUDGET = 1 / 255
"""Of the change of a pixel's value in [0, 1], at which the accuracy under attack is read."""

Figures = dict[str, Any]


def measure(run: Run, name: str, data: ImageData, execution: Execution | None = None) -> None:
    """Measure one thing of a run, unless that is done already.

    Args:
        run: finished, with its weights.
        name: one of `figures.MEASURES`.
        data: the run's images.
        execution: the device.

    Raises:
        InputError: an unknown name; no weights; as the measures.
    """
    if name not in _MEASURES:
        raise unknown("measure", name, _MEASURES)
    path = run.folder / "evaluations" / f"{name}.json"
    if path.is_file():
        return
    figures = _MEASURES[name](run, limit_images(data, run.config), execution or Execution())
    record = {"name": name, "source": data.name, "content_hash": data.test.content_hash, "figures": figures}
    write_json(path, record)


def _leakage(run: Run, data: ImageData, execution: Execution) -> Figures:
    """Of single kernels: the mean over a layer's kernels, then over the layers that are not dead throughout."""
    layers = [layer for layer in leakage(run.model()).layers if layer.pair_curve is not None]
    if not layers:
        raise InputError(f"{run.folder.name}: all its filters are dead; there is no leakage to measure")
    curves = np.array([layer.pair_curve for layer in layers])
    mean = curves.mean(0)
    by_layer = {
        layer.name: [float(c[RADII.index(1 / 8)]), float(c[RADII.index(1 / 4)])]
        for layer, c in zip(layers, curves, strict=True)
    }
    return {
        "1/8": float(mean[RADII.index(1 / 8)]),
        "1/4": float(mean[RADII.index(1 / 4)]),
        "radii": list(RADII),
        "curve": mean.tolist(),
        "layers": by_layer,
    }


def _shift(run: Run, data: ImageData, execution: Execution) -> Figures:
    images = example_images(data.test, SHIFTED)
    found = shift_consistency(run.model().to(execution.device), images)
    kept = ("share", "low", "high", "pairs", "images", "max_shift")
    return {name: getattr(found, name) for name in kept}


def _attacks(run: Run, data: ImageData, execution: Execution) -> Figures:
    """The pointwise worst case of FGSM and PGD in the maximum norm; of `windowconv attack`, which has many more."""
    from windowconv.lab.robustness.attacks.measure import attack_run
    from windowconv.lab.robustness.attacks.norms import LINF
    from windowconv.lab.robustness.attacks.suites import Trial
    from windowconv.lab.robustness.attacks.target import Target
    from windowconv.lab.robustness.attacks.worst_case import worst_case
    from windowconv.lab.robustness.sample import draw

    known = run.record["data"]
    shape = (known["channels"], *known["image_size"])
    target = Target(run.model(), len(known["classes"]), shape, execution.device)
    n = min(ATTACKED, len(data.test))
    sample = draw(data.test, n, execution.workers)
    trials = (Trial("fgsm", n), Trial("pgd", n, settings={"steps": 20}))
    worst = worst_case([attack_run(run, target, trial, sample) for trial in trials], LINF)
    assert worst is not None
    shares = worst.robust.double().mean(1).tolist()
    return {
        "accuracy": shares[worst.budgets.index(BUDGET)],
        "clean": worst.clean.double().mean().item(),
        "images": n,
        "budget": BUDGET,
        "budgets": list(worst.budgets),
        "curve": shares,
        "attacks": list(worst.attacks),
    }


_MEASURES: dict[str, Callable[[Run, ImageData, Execution], Figures]] = {
    "leakage": _leakage,
    "shift": _shift,
    "attacks": _attacks,
}
