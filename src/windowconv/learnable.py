"""Windows with trainable parameters, whose valid range holds by construction.

Each is a function of the normalised coordinate u, which is -1 at a kernel's first tap and 1 at its last. A
window is separable (the product over the axes) or radial (u = min(r, 1)).
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from windowconv.errors import InputError, unknown
from windowconv.functional import real_dtype
from windowconv.tracing import is_recorded, recorded_for
from windowconv.window_spec import KINDS, NORMALIZATIONS, Kind, Normalize
from windowconv.window_tensor import coordinate_tensor, takes_only_fakes

Family = Literal["cosine", "kaiser", "gaussian"]
FAMILIES = ("cosine", "kaiser", "gaussian")
HAMMING = (0.54, 0.46)
KAISER_BETA = 5.0  # close to a Hamming window
HAMMING_EDGE = 0.08  # a Gaussian starts with a Hamming window's edge
SMALLEST_SIGMA = 1e-2  # of a tap: the neighbours are long zero, and no division by zero follows


@dataclass(frozen=True)
class LearnableWindow:
    """A window whose parameters a layer trains; wherever a layer takes a window, it takes this too.

    | family | window | trained, and its range |
    | --- | --- | --- |
    | `"cosine"` | sum_k a_k cos(pi k u) | a on the simplex (a_k > 0, sum 1), so that the peak is 1 at u = 0 |
    | `"kaiser"` | I0(beta sqrt(1 - u^2)) / I0(beta) | beta > 0 |
    | `"gaussian"` | exp(-(x / sigma)^2 / 2), x in taps | sigma >= 0.01, in taps |

    The generalised cosine with two terms is SciPy's `general_hamming`; above a_1 = 1/2 its ends are negative.
    A layer's state dict has one more key: `learnable_window.raw` (what is trained: log a, or the inverse
    softplus of beta or sigma). A plain layer's checkpoint sets it to its start.

    Args:
        family: as above.
        start: the parameters to start from; () is Hamming's (.54, .46), beta = 5, or the sigma that gives
            the longest axis Hamming's edge, .08.
        per_channel: one set of parameters an output channel instead of one a layer.
        kind, normalize: as in `Window`.

    Raises:
        InputError: an unknown family, or a start outside the range.

    Source: Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform", 1978.
    Not for comparing windows: a trained window is a further set of parameters, and shares its scale with
    the weights.

    >>> import torch
    >>> learnable = LearnableWindow("kaiser").module((7, 7), channels=16)
    >>> learnable().shape, [name for name, _ in learnable.named_parameters()]
    (torch.Size([1, 7, 7]), ['raw'])
    """

    family: Family = "cosine"
    start: tuple[float, ...] = ()
    per_channel: bool = False
    kind: Kind = "separable"
    normalize: Normalize = "none"

    def __post_init__(self) -> None:
        for what, given, allowed in (
            ("family", self.family, FAMILIES),
            ("kind", self.kind, KINDS),
            ("normalize", self.normalize, NORMALIZATIONS),
        ):
            if given not in allowed:
                raise unknown(what, given, allowed)
        if self.family == "cosine" and self.normalize == "sum":
            raise InputError("normalize='sum' of a learnable cosine can divide by zero in training; use 'energy'")
        start = [float(v) for v in np.atleast_1d(np.asarray(self.start, dtype=np.float64))]
        object.__setattr__(self, "start", tuple(start))
        if not start:
            return
        if not all(math.isfinite(v) and v > 0 for v in start):
            raise InputError(f"start={start!r}; allowed: positive numbers")
        if self.family == "cosine" and (len(start) < 2 or abs(sum(start) - 1) > 1e-6):
            raise InputError(f"start={start!r}; allowed: two or more coefficients that sum to 1")
        if self.family != "cosine" and len(start) != 1:
            raise InputError(f"start={start!r}; allowed: one number, {self.family}'s only parameter")
        if self.family == "gaussian" and start[0] < SMALLEST_SIGMA:
            raise InputError(f"start={start!r}; allowed: {SMALLEST_SIGMA} taps or more")

    def module(
        self,
        size: tuple[int, ...],
        channels: int,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> LearnableWindowModule:
        """The parameters and the function for a kernel of `size` with `channels` output channels."""
        return LearnableWindowModule(self, size, channels if self.per_channel else 1, dtype, device)

    def to_json(self) -> str:
        """This specification as JSON; `LearnableWindow.from_json` reads it back."""
        return json.dumps({"learnable": asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> LearnableWindow:
        """The specification that `to_json` wrote; an `InputError` if `text` is nothing of the kind."""
        try:
            given: dict[str, Any] = json.loads(text)["learnable"]
            return cls(**{**given, "start": tuple(given["start"])})
        except InputError:
            raise
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise InputError(f"window specification {text!r} cannot be read: {error}") from None

    def __str__(self) -> str:
        options = ["per channel"] if self.per_channel else []
        options += [self.kind] if self.kind != "separable" else []
        options += [self.normalize] if self.normalize != "none" else []
        return " ".join([f"learnable {self.family}", *options])


class LearnableWindowModule(nn.Module):
    """The trainable parameters of a `LearnableWindow` in one layer; called, it gives the window's values.

    Args:
        spec: what to train, and from where.
        size: the kernel's size in taps.
        channels: sets of parameters, one (for all output channels) or one an output channel.
    """

    raw: Tensor

    def __init__(
        self,
        spec: LearnableWindow,
        size: tuple[int, ...],
        channels: int,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.size = size
        self.channels = channels
        self.terms = max(len(spec.start), 2) if spec.family == "cosine" else 1
        self.raw = nn.Parameter(torch.empty(channels, self.terms, dtype=dtype, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the parameters to their start."""
        with torch.no_grad():
            self.raw.copy_(self.start_raw())

    @property
    def u(self) -> Tensor:
        """The taps' coordinates (axes, *size), or radii (1, *size), in the parameters' precision; a Gaussian's in taps.

        They are computed and cached, and not to be changed.
        """
        raw, radial = recorded_for(self, self.raw), self.spec.kind == "radial"
        dtype = real_dtype(raw)
        if takes_only_fakes(raw):
            return raw.new_empty(1 if radial else len(self.size), *self.size, dtype=dtype)
        return coordinate_tensor(self.size, self.spec.kind, self.spec.family == "gaussian", dtype, raw.device)

    def parameters_in_range(self) -> Tensor:
        """The coefficients a (channels, terms), or beta or sigma (channels, 1)."""
        raw = self.raw.real if self.raw.is_complex() else self.raw  # model.to(torch.complex64) casts it, too
        if self.spec.family == "cosine":
            return raw.softmax(-1)
        values = F.softplus(raw)
        return values.clamp(min=SMALLEST_SIGMA) if self.spec.family == "gaussian" else values

    def forward(self) -> Tensor:
        """The window's values, of shape (channels, *size)."""
        values = self._profile(self.parameters_in_range()).prod(1)
        over = tuple(range(1, len(self.size) + 1))
        match self.spec.normalize:
            case "peak":
                return values / values.abs().amax(over, keepdim=True)
            case "sum":
                return values / values.mean(over, keepdim=True)
            case "energy":
                return values / values.square().mean(over, keepdim=True).sqrt()
            case _:
                return values

    def _start(self) -> tuple[float, ...]:
        if self.spec.start:
            return self.spec.start
        match self.spec.family:
            case "cosine":
                return HAMMING
            case "kaiser":
                return (KAISER_BETA,)
            case _:
                half = max((max(self.size) - 1) / 2, 0.5)
                return (half / math.sqrt(-2 * math.log(HAMMING_EDGE)),)

    def start_raw(self) -> Tensor:
        """What `raw` starts from, (channels, terms) in float64 on the CPU."""
        start = torch.tensor(self._start(), dtype=torch.float64, device="cpu")
        raw = start.log() if self.spec.family == "cosine" else start + torch.log(-torch.expm1(-start))
        return raw.expand(self.raw.shape)

    def _profile(self, parameters: Tensor) -> Tensor:
        """The 1-D window on every coordinate: (channels, axes, *size)."""
        u = self.u[None]
        shape = (-1,) + (1,) * (len(self.size) + 1)
        if self.spec.family == "cosine":
            cosines = (parameters[:, k].view(shape) * torch.cos(math.pi * k * u) for k in range(self.terms))
            return sum(cosines, start=torch.zeros_like(u))
        value = parameters.view(shape)
        if self.spec.family == "kaiser":
            inside = value * (1 - u.square()).clamp(min=0).sqrt()
            # exponentially scaled, so that no beta overflows
            i0e = _i0e_of_common_operators if is_recorded() else torch.special.i0e
            return i0e(inside) / i0e(value) * torch.exp(inside - value)
        return torch.exp(-0.5 * (u / value).square())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(without_buffer(state, "u"))

    def extra_repr(self) -> str:
        return f"{self.spec}, size={self.size}"


def _i0e_of_common_operators(x: Tensor) -> Tensor:
    """exp(-|x|) I0(x) in operators that every runtime has (ONNX has no Bessel function).

    The mean of exp(x (cos t - 1)) over a period: the trapezoidal rule converges geometrically, here to 1e-13 for x up
    to 270. Source: Trefethen and Weideman, "The exponentially convergent trapezoidal rule", SIAM Review 56, 2014.
    """
    t = torch.arange(128, dtype=x.dtype, device=x.device) * (math.tau / 128)
    return torch.exp(x[..., None] * (torch.cos(t) - 1)).mean(-1)


def without_buffer(state: dict[str, Any], name: str) -> dict[str, Any]:
    """A pickled module's state without a buffer that earlier versions kept."""
    if name not in state.get("_buffers", {}):
        return state
    buffers = {key: value for key, value in state["_buffers"].items() if key != name}
    return {**state, "_buffers": buffers, "_non_persistent_buffers_set": state["_non_persistent_buffers_set"] - {name}}
