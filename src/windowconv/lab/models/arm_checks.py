"""Which axes of arms go together; every other combination is refused by a sentence that says what would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from windowconv.errors import InputError
from windowconv.lab.models.arm import LEARNABLE, Arm
from windowconv.lab.models.arm_axes import Form, choices, find_choice

WITHOUT_WINDOW = frozenset(("form", "taps", "subsampling", "match"))
"""Fields of an arm that need no window."""
BESIDE_STACK = frozenset(("form", "subsampling", "match"))


def check_arm(arm: Arm, given: Mapping[str, str]) -> None:
    """An `InputError` for axes that do not go together.

    Args:
        arm: as its name says.
        given: the suffixes of the name, by field.
    """
    for problem in _problems(arm, given):
        raise InputError(f"arm={arm.name!r}{problem}")


def _problems(arm: Arm, given: Mapping[str, str]) -> Iterator[str]:
    size = f"{arm.kernel_size}x{arm.kernel_size}"
    fixed = next((value for value in (arm.power, arm.control, arm.ends) if value not in ("none", "all")), None)
    if arm.form == "stack" and (arm.window is not None or given.keys() - BESIDE_STACK):
        yield f"; allowed: a stack of 3x3 kernels without a window, such as {size}-stack"
    if arm.window is None and given.keys() - WITHOUT_WINDOW:
        yield f" names no window; such as {size}-hamming-{'-'.join(given.values())}"
    if arm.window is not None and arm.window.startswith(LEARNABLE) and fixed:
        yield f": -{fixed} is for fixed windows, not for learnable ones"
    if arm.place != "all" and arm.control == "rates":
        yield f": -{arm.place} is for arms with windows, and -rates has none"
    yield from _about_axes(arm)


def _about_axes(arm: Arm) -> Iterator[str]:
    size = f"{arm.kernel_size}x{arm.kernel_size}"
    chosen = [choice for name in arm.axes if (choice := find_choice(name)) is not None]
    for choice in chosen:
        if arm.kernel_size < choice.least:
            yield f": -{choice.name} needs a larger kernel; allowed: {choice.least}x{choice.least} or larger"
        if arm.window is not None and not choice.window:
            yield f": -{choice.name} takes no window; allowed: {size}-{choice.name}, or {size}-{arm.window}"
        if isinstance(choice, Form) and choice.free_taps_only and arm.taps != "free":
            yield f": -{choice.name} is for free taps; allowed with -{arm.taps}: {_with_taps()}"
    if chosen and arm.place != "all":
        yield f": -{arm.place} does not go with -{chosen[0].name}; allowed: one of the two"


def _with_taps() -> str:
    allowed = [choice for choice in choices("form") if isinstance(choice, Form) and not choice.free_taps_only]
    return ", ".join(["dense kernels", *(f"-{choice.name}" for choice in allowed)])
