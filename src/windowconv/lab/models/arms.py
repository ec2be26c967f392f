"""Arms: what an experiment compares, by names such as `3x3`, `7x7`, `7x7-hamming`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from windowconv.errors import InputError
from windowconv.lab.models.window_controls import CONTROLS, SEEDED, Values

if TYPE_CHECKING:
    from windowconv.window_spec import Window
    from windowconv.windowed import LayerWindow

FORM = re.compile(r"(?P<a>\d+)x(?P<b>\d+)(-(?P<window>[a-z][a-z_]*(-[a-z_]+)*)(:(?P<params>[-\d.,e]+))?)?")
LARGEST = 1023
"""Taps a side: far above any network's, and below what overflows or fills a memory."""
LEARNABLE = "learnable-"
SUFFIXES = {
    "normalize": ("peak", "sum", "energy"),
    "kind": ("radial",),
    "power": ("sqrt",),
    "ends": ("inner",),
    "form": ("stack",),
    "place": ("first", "pooled", "unpooled"),
    "control": ("init", "rates", "even", "shuffled", "jittered", "box"),
    "match": ("params", "flops"),
}
"""What may follow a window's name, each once: the field of `Arm` that it sets."""


@dataclass(frozen=True)
class Arm:
    """A kernel size and a window.

    Names are `KxK`, `KxK-WINDOW` with a window of SciPy's or `learnable-cosine`, `learnable-kaiser`,
    `learnable-gaussian`; parameters follow a colon (`7x7-kaiser:8.6`). After the window may stand

    - a normalisation (`-energy`, `-sum`, `-peak`) or `-radial`;
    - `-sqrt`: the square root of the window's values. Training under a window w pulls kernels towards an envelope of
      w^2, so that `7x7-hamming-sqrt` is what should end with Hamming's own;
    - `-inner`: the window of two taps more, without its ends, for windows that are zero there (`7x7-hann-inner`);
    - `-first`, `-pooled` or `-unpooled`: the window only at the first convolution, at those whose output is subsampled,
      or at the others; the kernels' size is everywhere the same;
    - a control: `-init` (the window at initialisation only), `-rates` (no window, but its learning rates: what a tap
      learns is multiplied by w^2, its decay relative to that by 1/w^2), `-even` (the window without its learning rates:
      gradients are divided by w^2, at most multiplied by 100), `-shuffled` (the window's values with its taps permuted,
      one permutation a seed for all layers and channels; `7x7-shuffled` is Hamming's), `-jittered` (the same, but no
      value moves by more than one tap along each axis: as local, no longer smooth), `-box` (the window's root mean
      square in the central 3x3, and in the rest: as local, without a taper);
    - `-params` or `-flops`: widths chosen so that the network has the 3x3 arm's size.

    `7x7-stack` has, in place of each 7x7, three 3x3 with batch norm and activation in between: as large a receptive
    field; for the airbench network.

    >>> parse_arm("7x7-hamming")
    Arm(name='7x7-hamming', kernel_size=7, window='hamming', params=(), normalize='none', kind='separable', \
power='none', place='all', control='none', match='none', ends='all', form='dense')
    """

    name: str
    kernel_size: int
    window: str | None = None
    params: tuple[float, ...] = ()
    normalize: str = "none"
    kind: Literal["separable", "radial"] = "separable"
    power: Literal["none", "sqrt"] = "none"
    place: Literal["all", "first", "pooled", "unpooled"] = "all"
    control: Literal["none", "init", "rates", "even", "shuffled", "jittered", "box"] = "none"
    match: Literal["none", "params", "flops"] = "none"
    ends: Literal["all", "inner"] = "all"
    form: Literal["dense", "stack"] = "dense"

    @property
    def has_own_values(self) -> bool:
        """Whether the window's values are made for each size, rather than by the window's name."""
        return self.control in CONTROLS or self.power != "none" or self.ends != "all"

    @property
    def is_seeded(self) -> bool:
        """Whether the window differs with the seed."""
        return self.control in SEEDED

    def layer_window(self, size: tuple[int, ...] | None = None, seed: int = 0) -> LayerWindow:
        """What a windowed layer takes; None for a plain arm. An `InputError` if the window cannot be made.

        Args:
            size: of the layer's kernel, in taps; the arm's own if None.
            seed: which permutation a shuffled window has.
        """
        if self.window is None:
            return None
        from windowconv.learnable import LearnableWindow  # these need torch
        from windowconv.windows import VALUES, Window

        size = size or (self.kernel_size, self.kernel_size)
        try:
            if self.window.startswith(LEARNABLE):
                family = self.window.removeprefix(LEARNABLE)
                return LearnableWindow(family, self.params, False, self.kind, self.normalize)  # pyright: ignore[reportArgumentType]
            window = Window(self.window, self.params, kind=self.kind, normalize=self.normalize)  # pyright: ignore[reportArgumentType]
            values = _values(window, size, self)
        except InputError as error:
            raise InputError(f"arm={self.name!r}: {error}") from None
        if not self.has_own_values:
            return window
        if self.control in CONTROLS:
            values = CONTROLS[self.control](values, seed)
        return Window(VALUES, values.tolist())


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
    if arm.form == "stack" and (window is not None or given.keys() - {"form", "match"}):
        raise InputError(f"arm={name!r}; allowed: a stack of 3x3 kernels without a window, such as {size}x{size}-stack")
    if arm.window is None and given.keys() - {"form", "match"}:
        raise InputError(f"arm={name!r} names no window; such as {size}x{size}-hamming-{'-'.join(given.values())}")
    fixed = next((value for value in (arm.power, arm.control, arm.ends) if value not in ("none", "all")), None)
    if arm.window is not None and arm.window.startswith(LEARNABLE) and fixed:
        raise InputError(f"arm={name!r}: -{fixed} is for fixed windows, not for learnable ones")
    if arm.place != "all" and arm.control == "rates":
        raise InputError(f"arm={name!r}: -{arm.place} is for arms with windows, and -rates has none")
    return arm


def _suffixes(text: str | None) -> tuple[str | None, dict[str, str]]:
    """A window's name and what follows it; a suffix that comes twice is taken for a part of the name, and refused."""
    parts = text.split("-") if text else []
    given: dict[str, str] = {}
    while parts:
        field = next((field for field, values in SUFFIXES.items() if parts[-1] in values), None)
        if field is None or field in given:
            break
        given[field] = parts.pop()
    return "-".join(parts) or None, given


def _values(window: Window, size: tuple[int, ...], arm: Arm) -> Values:
    """The window's values (*size), without its ends or as their square root where the arm has it so."""
    from windowconv.windows import window_values

    if arm.ends == "inner":
        values = window_values(window, tuple(taps + 2 for taps in size))[tuple(slice(1, -1) for _ in size)]
    else:
        values = window_values(window, size)
    if arm.power == "sqrt":
        if values.min() < 0:
            raise InputError(f"window={window} has values below 0; allowed with -sqrt: 0 or above")
        values = values**0.5
    return values
