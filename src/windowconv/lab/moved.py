"""Modules that moved when the laboratory got its rooms: their documented names can still be imported from them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

LAB = "windowconv.lab"
MOVED: dict[str, dict[str, str]] = {
    "published": dict.fromkeys(("Pretrained", "list_pretrained", "load_pretrained"), "pretrained"),
    "robustness.catalogue": {"ATTACKS": "robustness.attacks.catalogue"},
    "robustness.corruptions": {"CORRUPTIONS": "robustness.conditions.corruptions"},
    "robustness.measure": {"attack_images": "robustness.attacks.measure"},
    "robustness.natural": {"measure_conditions": "robustness.evaluations.conditions"},
    "robustness.natural_comparison": {"NaturalComparison": "robustness.reports.conditions_comparison"},
    "robustness.sensitivity": dict.fromkeys(
        ("measure_heat_maps", "measure_shifts"), "robustness.evaluations.sensitivity"
    ),
    "robustness.suites": {"Trial": "robustness.attacks.suites"},
    "robustness.target": {"Target": "robustness.attacks.target"},
    "studies.catalogue": {"STUDIES": "studies.design.catalogue"},
    "verdicts": {"paired_effect": "statistics.effects", "verdict": "statistics.verdicts"},
}
"""By the old module, below windowconv.lab: its documented names, and the module that has each now."""


class MovedModules(MetaPathFinder, Loader):
    """Finds the modules of `MOVED`; importing one warns with the new address of its names."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of a module that moved; None for any other."""
        return ModuleSpec(name, self) if name.removeprefix(f"{LAB}.") in MOVED and name.startswith(LAB) else None

    def exec_module(self, module: ModuleType) -> None:
        """Fill the old module with what its names mean now."""
        homes = MOVED[module.__name__.removeprefix(f"{LAB}.")]
        for name, home in homes.items():
            setattr(module, name, getattr(import_module(f"{LAB}.{home}"), name))
        places = ", ".join(f"{LAB}.{home}.{name}" for name, home in homes.items())
        warnings.warn(f"{module.__name__} has moved: import {places}", DeprecationWarning, stacklevel=2)


def install() -> None:
    """Let Python find the old modules, after all that exist."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(MovedModules())
