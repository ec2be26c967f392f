"""A plan carried out by the native operator: the same two functions as the reference's."""

from __future__ import annotations

import torch
from torch import Tensor

from windowconv.fftconv.native import library as c
from windowconv.fftconv.native.spectra import Runner, Spectrum, depthwise_tensor, image_tensor, kernel_tensor
from windowconv.fftconv.pages import ready
from windowconv.fftconv.plan import Plan
from windowconv.fftconv.workspace import workspace


def supports(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the native operator takes such tensors here."""
    return device.type == "cpu" and dtype in (torch.float32, torch.bfloat16) and c.library() is not None


class _Convolution:
    """One plan's tensors as spectra, within one loan of work space."""

    def __init__(self, plan: Plan, runner: Runner, window: Tensor | None) -> None:
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


def convolve(
    plan: Plan, input: Tensor, weight: Tensor, bias: Tensor | None, window: Tensor | None, keep: bool = False
) -> tuple[Tensor, Tensor]:
    """The convolution, and the input's spectrum if it is to be kept (else an empty tensor)."""
    weight, window = _fixed(weight, window)
    shape = _output_shape(plan)
    if _sees_nothing(plan):
        output = _empty(shape, input, weight, zero=True)
        return (output if bias is None else output.add_(bias[:, None, None])), input.new_empty(0)
    output = _empty(shape, input, weight)
    with workspace() as take:
        work = _Convolution(plan, Runner(take), window)
        x, w, y = work.input_spectrum(), work.kernel_spectrum().taken(take), work.output_spectrum().taken(take)
        kept = ready(torch.empty(x.numel if keep else 0, dtype=torch.float32))
        x = x.put(kept) if keep else x.taken(take)
        work.transform_input(input, x)
        work.transform_kernel(weight, w)
        work.multiply(x, w, y, c.OUTPUT, input.dtype)
        work.invert_output(y, bias, output)
    return output, kept


def pack(plan: Plan, weight: Tensor, window: Tensor | None) -> Tensor:
    """The kernel's spectrum, as `convolve_packed` multiplies it: three panels for a complex matrix."""
    weight, window = _fixed(weight.detach(), window)
    with workspace() as take:
        work = _Convolution(plan, Runner(take), window)
        w = work.kernel_spectrum()
        if plan.problem.depthwise:
            packed = ready(torch.empty(w.numel, dtype=torch.float32))
            work.transform_kernel(weight, w.put(packed))
            return packed
        work.transform_kernel(weight, w.taken(take))
        return work.runner.pack(w)


def packed_bytes(plan: Plan) -> int:
    """The size of what `pack` returns."""
    with workspace() as take:
        work = _Convolution(plan, Runner(take), None)
        w = work.kernel_spectrum()
        return 4 * (w.numel if plan.problem.depthwise else work.runner.packed_size(w))


def convolve_packed(plan: Plan, input: Tensor, packed: Tensor, bias: Tensor | None, channels_last: bool) -> Tensor:
    """The convolution with a packed kernel, for inference."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    output = ready(torch.empty(_output_shape(plan), dtype=input.dtype, memory_format=layout))
    with workspace() as take:
        work = _Convolution(plan, Runner(take), None)
        x, y, w = work.input_spectrum().taken(take), work.output_spectrum().taken(take), work.kernel_spectrum()
        work.transform_input(input, x)
        depthwise = plan.problem.depthwise
        w.lie_at(packed)
        work.runner.multiply(x, w, y, c.OUTPUT, input.dtype, depthwise=depthwise, packed=not depthwise)
        work.invert_output(y, bias, output)
    return output


def gradients(
    plan: Plan,
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    window: Tensor | None,
    spectrum: Tensor,
    needs: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of the input and of the raw weight."""
    if _sees_nothing(plan):
        zeros = tuple(
            _empty(tuple(t.shape), t, zero=True) if n else None for t, n in zip((input, weight), needs, strict=True)
        )
        return zeros[0], zeros[1]
    raw, (weight, used) = weight, _fixed(weight, window)
    grad_input = grad_weight = None
    with workspace() as take:
        work = _Convolution(plan, Runner(take), used)
        gy = work.output_spectrum().taken(take)
        work.transform_output(grad_output, gy)
        if needs[0]:
            grad_input = _input_gradient(work, gy, input, weight)
        if needs[1]:
            grad_weight = _weight_gradient(work, gy, input, raw, spectrum)
    if grad_weight is not None and window is not None and used is None:
        grad_weight *= window.to(grad_weight.dtype)
    return grad_input, grad_weight


def _input_gradient(work: _Convolution, gy: Spectrum, input: Tensor, weight: Tensor) -> Tensor:
    several = work.plan.tiles > 1
    covered = all(side.length == side.size for side in work.sides("input"))
    grad = _empty(tuple(input.shape), input, zero=several or not covered)
    with workspace() as take:
        w, gx = work.kernel_spectrum().taken(take), work.input_spectrum().taken(take)
        work.transform_kernel(weight, w)
        work.multiply(gy, w, gx, c.GRADIENT_INPUT, input.dtype)
        # tiles that overlap are summed in float32
        total = _wide(grad, take) if several else grad
        work.runner.invert(gx, work.sides("input"), 1, image_tensor(total, work.groups), accumulate=several)
        return grad if total is grad else grad.copy_(total)


def _weight_gradient(work: _Convolution, gy: Spectrum, input: Tensor, weight: Tensor, spectrum: Tensor) -> Tensor:
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


def _output_shape(plan: Plan) -> tuple[int, int, int, int]:
    p = plan.problem
    return (p.batch, p.out_channels, plan.height.axis.outputs, plan.width.axis.outputs)


def _sees_nothing(plan: Plan) -> bool:
    """Whether there is no image, or every tap meets padding only: exact zeros then."""
    return plan.problem.batch == 0 or not all(axis.touching for axis in plan.problem.axes)


def _fixed(weight: Tensor, window: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The weight and the window as the library takes them: one window of the kernel's size, or multiplied in."""
    if window is None:
        return weight, None
    if tuple(window.shape) == tuple(weight.shape[2:]):
        return weight, _written(window.detach().to(torch.float32).contiguous())
    return weight * window.to(weight.dtype), None


def _written(tensor: Tensor) -> Tensor:
    """With the sign that torch may have left to whoever reads it (`Tensor.is_neg`): a pointer would not see it."""
    return tensor.resolve_neg()


def _wide(tensor: Tensor, take: workspace) -> Tensor:
    """Zeros in float32 of the same shape and layout; the tensor itself if it is float32 (and zero by now)."""
    if tensor.dtype == torch.float32:
        return tensor
    flat = take((tensor.numel(),), torch.float32, tensor.device).zero_()
    return flat.as_strided(tensor.shape, tensor.stride())


def _empty(shape: tuple[int, ...], *like: Tensor, zero: bool = False) -> Tensor:
    """A tensor in channels-last memory if one of `like` is."""
    last = any(t.is_contiguous(memory_format=torch.channels_last) and not t.is_contiguous() for t in like)
    layout = torch.channels_last if last else torch.contiguous_format
    tensor = ready(torch.empty(shape, dtype=like[0].dtype, memory_format=layout))
    return tensor.zero_() if zero else tensor
