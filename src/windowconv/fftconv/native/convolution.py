"""The native implementation of a plan: the two functions of `reference`, and two for packed kernels."""

from __future__ import annotations

import torch
from torch import Tensor

from windowconv.fftconv.native import library as c
from windowconv.fftconv.native.spectra import Runner, Spectrum, depthwise_tensor, image_tensor, kernel_tensor
from windowconv.fftconv.pages import ready
from windowconv.fftconv.tile_plan import TilePlan
from windowconv.fftconv.workspace import workspace


def supports(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the native operator is here and takes tensors of this kind."""
    return device.type == "cpu" and dtype in (torch.float32, torch.bfloat16) and c.library() is not None


class _Passes:
    """The passes of one plan: transforms, products and inverse transforms, in work space lent for one call."""

    def __init__(self, plan: TilePlan, runner: Runner, window: Tensor | None) -> None:
        self.plan, self.runner, self.window = plan, runner, window
        p = self.problem = plan.problem
        self.groups = 1 if p.depthwise else p.groups
        self.each_in, self.each_out = p.in_channels // self.groups, p.out_channels // self.groups

    def _spectrum(self, rows: int, channels: int) -> Spectrum:
        return Spectrum(self.plan.frequencies, rows, self.groups, channels, torch.float32)

    def input_spectrum(self) -> Spectrum:
        return self._spectrum(self.plan.rows, self.each_in)

    def output_spectrum(self) -> Spectrum:
        return self._spectrum(self.plan.rows, self.each_out)

    def kernel_spectrum(self) -> Spectrum:
        return self._spectrum(1 if self.problem.depthwise else self.each_out, self.each_in)

    def kernel(self, weight: Tensor) -> c.Tensor:
        return depthwise_tensor(weight) if self.problem.depthwise else kernel_tensor(weight, self.groups)

    def sides(self, which: str) -> tuple:
        return getattr(self.plan.height, which), getattr(self.plan.width, which)

    def transform_input(self, input: Tensor, out: Spectrum) -> None:
        input = _written(input)
        self.runner.transform(image_tensor(input, self.groups), self.sides("input"), -1, None, out)

    def transform_kernel(self, weight: Tensor, out: Spectrum) -> None:
        weight = _written(weight)
        self.runner.transform(self.kernel(weight), self.sides("kernel"), 1, self.window, out)

    def transform_output(self, grad: Tensor, out: Spectrum) -> None:
        grad = _written(grad)
        self.runner.transform(image_tensor(grad, self.groups), self.sides("output"), -1, None, out)

    def invert_output(self, spectrum: Spectrum, bias: Tensor | None, output: Tensor) -> None:
        bias = None if bias is None else _written(bias.detach().float().contiguous())
        self.runner.invert(spectrum, self.sides("output"), 1, image_tensor(output, self.groups), bias=bias)

    def multiply(self, a: Spectrum, b: Spectrum, out: Spectrum, mode: int, dtype: torch.dtype) -> None:
        self.runner.multiply(a, b, out, mode, dtype, depthwise=self.problem.depthwise)


def forward(
    plan: TilePlan, input: Tensor, weight: Tensor, bias: Tensor | None, window: Tensor | None, keep: bool = False
) -> tuple[Tensor, Tensor]:
    """The output (N, K, H', W') and, if `keep`, the input's spectrum (flat, float32); else an empty tensor.

    Args:
        input: (N, C, H, W), in float32 or bfloat16 like the weight.
        weight: (K, C / groups, kh, kw).
        bias: (K,).
        window: (kh, kw), the same for all kernels.
    """
    shape = plan.problem.outputs
    if plan.problem.empty:
        output = _empty(shape, input, weight, zero=True)
        return (output if bias is None else output.add_(bias[:, None, None])), input.new_empty(0)
    output = _empty(shape, input, weight)
    with workspace() as take:
        work = _Passes(plan, Runner(take), _float_window(window, plan))
        x, w, y = work.input_spectrum(), work.kernel_spectrum().taken(take), work.output_spectrum().taken(take)
        kept = ready(torch.empty(x.numel if keep else 0, dtype=torch.float32))
        x = x.put(kept) if keep else x.taken(take)
        work.transform_input(input, x)
        work.transform_kernel(weight, w)
        work.multiply(x, w, y, c.OUTPUT, input.dtype)
        work.invert_output(y, bias, output)
    return output, kept


def pack(plan: TilePlan, weight: Tensor, window: Tensor | None) -> Tensor:
    """The spectrum of `weight * window`, flat, as `forward_packed` takes it: three panels for a complex matrix.

    Args:
        weight: (K, C / groups, kh, kw).
        window: (kh, kw), the same for all kernels.
    """
    with workspace() as take:
        work = _Passes(plan, Runner(take), _float_window(window, plan))
        w = work.kernel_spectrum()
        if plan.problem.depthwise:
            packed = ready(torch.empty(w.numel, dtype=torch.float32))
            work.transform_kernel(weight, w.put(packed))
            return packed
        work.transform_kernel(weight, w.taken(take))
        return work.runner.pack(w)


def packed_bytes(plan: TilePlan) -> int:
    """The bytes of what `pack` returns."""
    with workspace() as take:
        work = _Passes(plan, Runner(take), None)
        w = work.kernel_spectrum()
        return 4 * (w.numel if plan.problem.depthwise else work.runner.packed_size(w))


def forward_packed(plan: TilePlan, input: Tensor, packed: Tensor, bias: Tensor | None, channels_last: bool) -> Tensor:
    """The output (N, K, H', W') of an input (N, C, H, W), a packed kernel and a bias (K,), for inference."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    output = ready(torch.empty(plan.problem.outputs, dtype=input.dtype, memory_format=layout))
    with workspace() as take:
        work = _Passes(plan, Runner(take), None)
        x, y, w = work.input_spectrum().taken(take), work.output_spectrum().taken(take), work.kernel_spectrum()
        work.transform_input(input, x)
        depthwise = plan.problem.depthwise
        w.lie_at(packed)
        work.runner.multiply(x, w, y, c.OUTPUT, input.dtype, depthwise=depthwise, packed=not depthwise)
        work.invert_output(y, bias, output)
    return output


def backward(
    plan: TilePlan,
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    window: Tensor | None,
    spectrum: Tensor,
    needs: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of the input and of the raw weight, in their shapes; None where not needed.

    Args:
        grad_output: (N, K, H', W').
        input, weight, window: as in `forward`.
        spectrum: what `forward` kept, or an empty tensor.
        needs: whether the gradients of (input, weight) are needed.
    """
    if plan.problem.empty:
        zeros = tuple(
            _empty(tuple(t.shape), t, zero=True) if n else None for t, n in zip((input, weight), needs, strict=True)
        )
        return zeros[0], zeros[1]
    grad_input = grad_weight = None
    with workspace() as take:
        work = _Passes(plan, Runner(take), _float_window(window, plan))
        gy = work.output_spectrum().taken(take)
        work.transform_output(grad_output, gy)
        if needs[0]:
            grad_input = _input_gradient(work, gy, input, weight)
        if needs[1]:
            grad_weight = _weight_gradient(work, gy, input, weight, spectrum)
    return grad_input, grad_weight


def _input_gradient(work: _Passes, gy: Spectrum, input: Tensor, weight: Tensor) -> Tensor:
    several = work.plan.tiles > 1
    covered = all(side.length == side.size for side in work.sides("input"))
    grad = _empty(tuple(input.shape), input, zero=several or not covered)
    with workspace() as take:
        w, gx = work.kernel_spectrum().taken(take), work.input_spectrum().taken(take)
        work.transform_kernel(weight, w)
        work.multiply(gy, w, gx, c.GRADIENT_INPUT, input.dtype)
        # overlapping tiles are added in float32 (overlap-add)
        total = _wide(grad, take) if several else grad
        work.runner.invert(gx, work.sides("input"), 1, image_tensor(total, work.groups), accumulate=several)
        return grad if total is grad else grad.copy_(total)


def _weight_gradient(work: _Passes, gy: Spectrum, input: Tensor, weight: Tensor, spectrum: Tensor) -> Tensor:
    covered = all(side.length == side.size for side in work.sides("kernel"))
    grad = _empty(tuple(weight.shape), weight, zero=not covered)
    with workspace() as take:
        x, gw = work.input_spectrum(), work.kernel_spectrum().taken(take)
        if spectrum.numel():
            x.put(spectrum)
        else:
            work.transform_input(input, x.taken(take))
        work.multiply(gy, x, gw, c.GRADIENT_KERNEL, input.dtype)
        work.runner.invert(gw, work.sides("kernel"), -1, work.kernel(grad), window=work.window)
    return grad


def _float_window(window: Tensor | None, plan: TilePlan) -> Tensor | None:
    """The window (kh, kw) as the library reads it: in float32, row by row."""
    if window is None:
        return None
    assert tuple(window.shape) == tuple(axis.taps for axis in plan.problem.axes), "rewriting multiplies others in"
    return _written(window.detach().to(torch.float32).contiguous())


def _written(tensor: Tensor) -> Tensor:
    """The tensor with its sign written to memory: torch may leave a negation to the reader (`Tensor.is_neg`)."""
    return tensor.resolve_neg()


def _wide(tensor: Tensor, take: workspace) -> Tensor:
    """Zeros in float32 of the same shape and strides; a float32 tensor itself, which is zero already."""
    if tensor.dtype == torch.float32:
        return tensor
    flat = take((tensor.numel(),), torch.float32, tensor.device).zero_()
    return flat.as_strided(tensor.shape, tensor.stride())


def _empty(shape: tuple[int, ...], *like: Tensor, zero: bool = False) -> Tensor:
    """An empty tensor, in channels-last memory if one of `like` is."""
    last = any(t.is_contiguous(memory_format=torch.channels_last) and not t.is_contiguous() for t in like)
    layout = torch.channels_last if last else torch.contiguous_format
    tensor = ready(torch.empty(shape, dtype=like[0].dtype, memory_format=layout))
    return tensor.zero_() if zero else tensor
