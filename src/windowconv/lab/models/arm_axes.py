"""The axes of an arm beside its size and window: the kernel's form, how its taps come about, and the subsampling.

A value of an axis is a suffix of arms' names. The laboratory's own stand in `OWN`; other packages add theirs by entry
points.
"""

from __future__ import annotations

import pkgutil
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Self

from windowconv.errors import InputError, WindowWarning

if TYPE_CHECKING:
    from torch import nn

GROUP = "windowconv.arms"
NAME = re.compile(r"[a-z_]+")
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
"""What may stand in an arm's name beside choices, each field once: the field of `Arm` that it sets."""
RESERVED = frozenset(["learnable", *(value for values in SUFFIXES.values() for value in values)])


@dataclass(frozen=True)
class Choice:
    """A value of an axis.

    Args:
        name: the suffix that chooses it, of small letters and underscores.
        make: builds the layer; or "module:function", which is imported when it is first used.
        window: whether its kernels may have a window.
        least: the smallest side of the arm's kernels.
    """

    axis: ClassVar[str]
    name: str
    make: Callable[..., nn.Module] | str
    window: bool = True
    least: int = 3

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or self.name in RESERVED:
            raise InputError(f"name={self.name!r}; allowed: small letters and underscores, no other suffix of arms")

    def __call__(self, *arguments: Any) -> nn.Module:
        """What `make` builds."""
        make = pkgutil.resolve_name(self.make) if isinstance(self.make, str) else self.make
        return make(*arguments)

    @classmethod
    def named(cls, name: str, **options: Any) -> Callable[[Callable[..., nn.Module]], Self]:
        """A decorator that makes a choice of the function that builds its layer.

        >>> import torch
        >>> @Subsampling.named("mean", after_max=False)
        ... def mean(stride: int) -> torch.nn.Module:
        ...     return torch.nn.AvgPool2d(stride)
        >>> mean.name, mean(2)
        ('mean', AvgPool2d(kernel_size=2, stride=2, padding=0))
        """
        return lambda make: cls(name, make, **options)


@dataclass(frozen=True)
class Form(Choice):
    """What stands in a dense convolution's place: `make(convolution)` gives a module of the same shapes, or itself.

    Args:
        free_taps_only: whether its kernel may have no other taps.
        unwindowed: a name pattern of its convolutions that get no window.
    """

    axis: ClassVar[str] = "form"
    free_taps_only: bool = False
    unwindowed: str | None = None


@dataclass(frozen=True)
class Taps(Choice):
    """Where a kernel's taps come from: `make(convolution)` gives a convolution with the same receptive field."""

    axis: ClassVar[str] = "taps"


@dataclass(frozen=True)
class Subsampling(Choice):
    """What a network subsamples by: `make(stride)` gives a module that keeps ceil(side / stride) samples an axis.

    Args:
        after_max: whether a pool takes its maxima or means first, at stride 1; else `make` stands in the pool's place.
        adaptive: whether the samples that are kept depend on the input.
    """

    axis: ClassVar[str] = "subsampling"
    after_max: bool = True
    adaptive: bool = False


_RELATIVES = "windowconv.lab.models.relatives"
_OWN: tuple[Choice, ...] = (
    Form("depthwise", f"{_RELATIVES}.depthwise:depthwise"),
    Form("convnext", f"{_RELATIVES}.convnext:convnext"),
    Form(
        "replk",
        f"{_RELATIVES}.parallel_kernels:parallel_kernels",
        least=5,
        free_taps_only=True,
        unwindowed="*.small",
    ),
    Taps("dilated", f"{_RELATIVES}.dilated:dilated", window=False, least=5),
    Taps("dcls", f"{_RELATIVES}.learnable_spacings:learnable_spacings", window=False),
    Taps("flex", f"{_RELATIVES}.gaussian_mask:gaussian_mask", window=False),
    Subsampling("blur", f"{_RELATIVES}.low_pass:blur"),
    Subsampling("flc", f"{_RELATIVES}.low_pass:frequency_low_cut", after_max=False),
    Subsampling("asap", f"{_RELATIVES}.low_pass:frequency_hamming", after_max=False),
    Subsampling("aps", f"{_RELATIVES}.polyphase:polyphase", adaptive=True),
)
OWN = {choice.name: choice for choice in _OWN}


def find_choice(name: str) -> Choice | None:
    """The value of an axis that a suffix chooses; None if it is none. Packages are loaded only for names of theirs."""
    if name in OWN:
        return OWN[name]
    return plugins().get(name) if any(entry.name == name for entry in _entries()) else None


def choices(axis: str) -> list[Choice]:
    """All values of an axis, the laboratory's own first."""
    return [choice for choice in (*OWN.values(), *plugins().values()) if choice.axis == axis]


@cache
def plugins() -> dict[str, Choice]:
    """The values that other packages add. One that cannot be used is left out with a warning that names its package."""
    found: dict[str, Choice] = {}
    for entry in sorted(_entries(), key=lambda entry: entry.name):
        try:
            found[entry.name] = _load(entry, found)
        except Exception as error:  # another package's bug costs its arms, not the command
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            package = entry.dist.name if entry.dist else "unknown"
            warnings.warn(
                f"arms -{entry.name} of the package {package!r} are left out ({reason})", WindowWarning, stacklevel=2
            )
    return found


@cache
def _entries() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


def _load(entry: EntryPoint, others: dict[str, Choice]) -> Choice:
    choice = entry.load()
    if not isinstance(choice, (Form, Taps, Subsampling)):
        raise InputError(f"{entry.value} is no Form, Taps or Subsampling of windowconv.lab.models.arm_axes")
    if choice.name != entry.name:
        raise InputError(f"its name {choice.name!r} is not that of its entry point")
    if choice.name in OWN or choice.name in others:
        raise InputError(f"its name {choice.name!r} is taken")
    return choice
