"""The ready-made studies, each named after the claim that it tests.

windowconv study                                            # lists them
windowconv study window-cifar10 --scale strong
"""

from __future__ import annotations

from pathlib import Path

from windowconv.errors import unknown
from windowconv.lab.studies.design import imagenette, relatives, small_networks, strong_networks, strong_questions
from windowconv.lab.studies.design.design import Design

_MODULES = (small_networks, strong_networks, strong_questions, relatives, imagenette)

STUDIES: dict[str, Design] = {design.name: design for module in _MODULES for design in module.DESIGNS}


def find_design(name: str) -> Design:
    """The ready-made study of this name.

    Raises:
        InputError: there is none; the nearest is suggested.
    """
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    return STUDIES[name]


def design_file(name: str) -> Path | None:
    """The source file that a ready-made study stands in, whose commits are those of its design; None for others."""
    for module in _MODULES:
        if name in {design.name for design in module.DESIGNS}:
            assert module.__file__
            return Path(module.__file__)
    return None
