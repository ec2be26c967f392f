"""An arm: a value of each axis that an experiment may vary, and the window of its layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from windowconv.errors import InputError
from windowconv.lab.models.window_controls import CONTROLS, SEEDED, Values

if TYPE_CHECKING:
    from windowconv.window_spec import Window
    from windowconv.windowed import LayerWindow

LEARNABLE = "learnable-"


@dataclass(frozen=True)
class Arm:
    """A value of each axis: a kernel's size, form and taps, a window, how the network subsamples; and a name.

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

    With or without a window there may be

    - a form of the kernel: `-depthwise`, `-convnext`, `-replk`; or `-stack`, which has, in place of each 7x7, three 3x3
      with batch norm and activation in between: as large a receptive field; for the airbench network;
    - taps: `-dilated`, `-dcls`, `-flex`;
    - a subsampling: `-blur`, `-flc`, `-asap`, `-aps`.

    Other packages add to these three, see `arm_axes`; which go together, `arm_checks` says.

    >>> from windowconv.lab.models.arms import parse_arm
    >>> arm = parse_arm("7x7-hamming-blur")
    >>> arm.kernel_size, arm.window, arm.subsampling, arm.form
    (7, 'hamming', 'blur', 'dense')
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
    form: str = "dense"
    taps: str = "free"
    subsampling: str = "none"

    @property
    def axes(self) -> tuple[str, ...]:
        """The form, taps and subsampling, without those that are torch's own."""
        return tuple(v for v in (self.form, self.taps, self.subsampling) if v not in ("dense", "free", "none"))

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
