"""Arms: what an experiment compares, by names such as `3x3`, `7x7`, `7x7-hamming`."""

from __future__ import annotations

import re
from dataclasses import replace

from windowconv.errors import InputError
from windowconv.lab.models.arm import Arm as Arm
from windowconv.lab.models.arm_axes import SUFFIXES, find_choice
from windowconv.lab.models.arm_checks import check_arm

FORM = re.compile(r"(?P<a>\d+)x(?P<b>\d+)(-(?P<window>[a-z][a-z_]*(-[a-z_]+)*)(:(?P<params>[-\d.,e]+))?)?")
LARGEST = 1023
"""Taps a side: far above any network's, and below what overflows or fills a memory."""


def parse_arm(name: str) -> Arm:
    """The arm that a name means.

    Raises:
        InputError: a name of another form, a kernel that is not square, even, below 3 or beyond `LARGEST`.
    """
    match = FORM.fullmatch(name)
    if match is None:
        raise InputError(f"arm={name!r}; allowed: KxK or KxK-WINDOW, such as 3x3, 7x7, 7x7-hamming, 7x7-kaiser:8.6")
    size = int(match["a"])
    if size != int(match["b"]) or size % 2 == 0 or not 3 <= size <= LARGEST:
        raise InputError(f"arm={name!r}; allowed: square kernels of odd size from 3 to {LARGEST}, such as 3x3 or 7x7")
    try:
        params = tuple(float(p) for p in match["params"].split(",")) if match["params"] else ()
    except ValueError:
        raise InputError(f"arm={name!r}: {match['params']!r} are no numbers separated by commas") from None
    window, given = _suffixes(match["window"])
    arm = replace(Arm(name, size, window, params), **given)
    if arm.control == "shuffled" and window is None:
        arm = replace(arm, window="hamming")
    check_arm(arm, given)
    return arm


def _suffixes(text: str | None) -> tuple[str | None, dict[str, str]]:
    """A window's name and what follows it; a suffix that comes twice is taken for a part of the name, and refused."""
    parts = text.split("-") if text else []
    given: dict[str, str] = {}
    while parts:
        field = next((field for field, values in SUFFIXES.items() if parts[-1] in values), None)
        if field is None and (choice := find_choice(parts[-1])) is not None:
            field = choice.axis
        if field is None or field in given:
            break
        given[field] = parts.pop()
    return "-".join(parts) or None, given
