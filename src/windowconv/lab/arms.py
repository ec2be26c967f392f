"""Arms: what an experiment compares, by names such as `3x3`, `7x7`, `7x7-hamming`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from windowconv.errors import InputError

if TYPE_CHECKING:
    from windowconv.windowed import LayerWindow

FORM = re.compile(r"(?P<a>\d+)x(?P<b>\d+)(-(?P<window>[a-z][a-z_]*(-[a-z_]+)*)(:(?P<params>[-\d.,e]+))?)?")
NORMALIZATIONS = ("peak", "sum", "energy")
LEARNABLE = "learnable-"


@dataclass(frozen=True)
class Arm:
    """A kernel size and a window.

    Names are `KxK`, `KxK-WINDOW` with a window of SciPy's or `learnable-cosine`, `learnable-kaiser`,
    `learnable-gaussian`; parameters follow a colon (`7x7-kaiser:8.6`), a normalisation the window
    (`7x7-hamming-energy`).

    >>> parse_arm("7x7-hamming")
    Arm(name='7x7-hamming', kernel_size=7, window='hamming', params=(), normalize='none')
    """

    name: str
    kernel_size: int
    window: str | None = None
    params: tuple[float, ...] = ()
    normalize: str = "none"

    def layer_window(self) -> LayerWindow:
        """What a windowed layer takes; None for a plain arm. An `InputError` if the window cannot be made."""
        if self.window is None:
            return None
        from windowconv.learnable import LearnableWindow  # these need torch
        from windowconv.windows import Window, window_values

        try:
            if self.window.startswith(LEARNABLE):
                family = self.window.removeprefix(LEARNABLE)
                return LearnableWindow(family, self.params, normalize=self.normalize)  # pyright: ignore[reportArgumentType]
            window = Window(self.window, self.params, normalize=self.normalize)  # pyright: ignore[reportArgumentType]
            window_values(window, (self.kernel_size, self.kernel_size))
        except InputError as error:
            raise InputError(f"arm={self.name!r}: {error}") from None
        return window


def parse_arm(name: str) -> Arm:
    """The arm that a name means.

    Raises:
        InputError: a name of another form, a kernel that is not square, even, or below 3.
    """
    match = FORM.fullmatch(name)
    if match is None:
        raise InputError(f"arm={name!r}; allowed: KxK or KxK-WINDOW, such as 3x3, 7x7, 7x7-hamming, 7x7-kaiser:8.6")
    size = int(match["a"])
    if size != int(match["b"]) or size % 2 == 0 or size < 3:
        raise InputError(f"arm={name!r}; allowed: square kernels of odd size from 3 on, such as 3x3 or 7x7")
    window, normalize = match["window"], "none"
    for option in NORMALIZATIONS:
        if window and window.endswith(f"-{option}"):
            window, normalize = window.removesuffix(f"-{option}"), option
            break  # a second normalisation is no part of any window's name, and so refused
    try:
        params = tuple(float(p) for p in match["params"].split(",")) if match["params"] else ()
    except ValueError:
        raise InputError(f"arm={name!r}: {match['params']!r} are no numbers separated by commas") from None
    return Arm(name, size, window, params, normalize)
