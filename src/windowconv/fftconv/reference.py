"""The reference implementation of a plan in torch's own operations: matrix products, on any device.

It computes in float32 or float64. Frequencies are processed in blocks of columns, so that spectra stay in the cache:
only the transforms along the width are kept whole.
"""

from __future__ import annotations

import torch
from torch import Tensor

from windowconv.fftconv.pages import ready
from windowconv.fftconv.tile_plan import TilePlan
from windowconv.fftconv.tiling import image_view, is_channels_last, weight_view
from windowconv.fftconv.transform import Columns, Transform, blocks
from windowconv.fftconv.workspace import workspace


def forward(
    plan: TilePlan, input: Tensor, weight: Tensor, bias: Tensor | None, window: Tensor | None, keep: bool = False
) -> tuple[Tensor, Tensor]:
    """The output (N, K, H', W') and an empty tensor: this implementation keeps no spectrum.

    Args:
        input: (N, C, H, W).
        weight: (K, C / groups, kh, kw).
        bias: (K,).
        window: (kh, kw), the same for all kernels.
        keep: ignored.
    """
    dtype = compute_dtype(input.dtype)
    output = _new(plan.problem.outputs, dtype, input.device, is_channels_last(input) or is_channels_last(weight))
    if plan.problem.empty:
        output.zero_()
        if bias is not None:
            output.add_(bias.view(-1, 1, 1))
        return output.to(input.dtype), output.new_empty(0)
    images, kernels, outputs = image_view(input, plan), weight_view(weight, plan), image_view(output, plan)
    with workspace() as take:
        x = Transform("input", plan, images, dtype, take)
        w = Transform("kernel", plan, kernels, dtype, take)
        y = Transform("output", plan, outputs, dtype, take)
        x.load(images)
        w.load(kernels, _factor(window, weight, plan, dtype))
        for columns in blocks((x, w, y)):
            with workspace() as inner:
                product = y.empty_spectrum(columns, inner)
                _product(plan, x.spectrum(columns, inner), w.spectrum(columns, inner), product)
                y.collect(product, columns)
        if bias is not None:
            y.add_constant(bias.to(dtype))
        y.store(outputs)
    return output.to(input.dtype), output.new_empty(0)


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
        spectrum: ignored.
        needs: whether the gradients of (input, weight) are needed.
    """
    dtype = compute_dtype(input.dtype)
    grads = [
        _new(tuple(tensor.shape), dtype, tensor.device, is_channels_last(tensor)) if needed else None
        for tensor, needed in zip((input, weight), needs, strict=True)
    ]
    if any(needs):
        factor = _factor(window, weight, plan, dtype)
        _fill_gradients(plan, (grads[0], grads[1]), grad_output, input, weight, factor)
    for_input, for_weight = (None if grad is None else grad.to(input.dtype) for grad in grads)
    return for_input, for_weight


def _fill_gradients(
    plan: TilePlan,
    grads: tuple[Tensor | None, Tensor | None],
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    factor: Tensor | None,
) -> None:
    """Compute the gradients that are not None, into them.

    Args:
        grads: like the input and like the weight.
        factor: the window in the view of the weight; it is only read if needed.
    """
    for_input, for_weight = grads
    if plan.problem.empty:
        for grad in grads:
            if grad is not None:
                grad.zero_()
        return
    dtype = compute_dtype(input.dtype)
    images, kernels, outputs = image_view(input, plan), weight_view(weight, plan), image_view(grad_output, plan)
    with workspace() as take:
        x = Transform("input", plan, images, dtype, take)
        w = Transform("kernel", plan, kernels, dtype, take)
        g = Transform("output", plan, outputs, dtype, take)
        g.load(outputs)
        if for_weight is not None:
            x.load(images)
        if for_input is not None:
            w.load(kernels, factor)
        for columns in blocks((x, w, g)):
            with workspace() as inner:
                _gradient_block(plan, x, w, g, columns, (for_input is not None, for_weight is not None), inner)
        if for_input is not None:
            x.store(image_view(for_input, plan))
        if for_weight is not None:
            w.store(weight_view(for_weight, plan), factor)


def _gradient_block(
    plan: TilePlan,
    x: Transform,
    w: Transform,
    g: Transform,
    columns: Columns,
    needs: tuple[bool, bool],
    take: workspace,
) -> None:
    """The products of one block of columns; `x`, `w` and `g` are overwritten with the results."""
    grad = g.spectrum(columns, take)
    kernel = w.spectrum(columns, take) if needs[0] else None
    if needs[1]:
        product = w.empty_spectrum(columns, take)
        _kernel_product(plan, grad, x.spectrum(columns, take), product)
        w.collect(product, columns)
    if kernel is not None:
        product = x.empty_spectrum(columns, take)
        _input_product(plan, grad, kernel, product)
        x.collect(product, columns)


def _product(plan: TilePlan, x: Tensor, w: Tensor, out: Tensor) -> None:
    """output[n, k] = sum_c x[n, c] w[k, c] for every frequency f and group g.

    x is (3, f, g, n, c), w is (3, f, g, k, c) and out is (3, f, g, n, k): see `Transform`.
    """
    if plan.problem.depthwise:
        torch.mul(x, w, out=out)
    else:
        torch.bmm(x.flatten(0, 2), w.flatten(0, 2).transpose(1, 2), out=out.flatten(0, 2))


def _input_product(plan: TilePlan, grad: Tensor, w: Tensor, out: Tensor) -> None:
    """x[n, c] = sum_k grad[n, k] w[k, c]."""
    if plan.problem.depthwise:
        torch.mul(grad, w, out=out)
    else:
        torch.bmm(grad.flatten(0, 2), w.flatten(0, 2), out=out.flatten(0, 2))


def _kernel_product(plan: TilePlan, grad: Tensor, x: Tensor, out: Tensor) -> None:
    """w[k, c] = sum_n grad[n, k] x[n, c]; x is overwritten."""
    if plan.problem.depthwise:
        torch.sum(x.mul_(grad), dim=3, keepdim=True, out=out)
    else:
        torch.bmm(grad.flatten(0, 2).transpose(1, 2), x.flatten(0, 2), out=out.flatten(0, 2))


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype of spectra: float64, or float32 for everything else."""
    return dtype if dtype == torch.float64 else torch.float32


def _new(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, channels_last: bool) -> Tensor:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return ready(torch.empty(shape, dtype=dtype, device=device, memory_format=layout))


def _factor(window: Tensor | None, weight: Tensor, plan: TilePlan, dtype: torch.dtype) -> Tensor | None:
    """The window (kh, kw) in the view of the weight (`weight_view`)."""
    return None if window is None else weight_view(window.to(dtype).expand_as(weight), plan)
