"""A plan carried out with torch's own operations: every step is a matrix product, on any device, in either precision.

Frequencies are worked on in blocks of columns, so that spectra stay in the cache and little memory is needed: what is
kept of each tensor is its transform along the width alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from windowconv.fftconv import samples
from windowconv.fftconv.plan import Plan, Side
from windowconv.fftconv.tables import Role, Tables, half_rows, make_tables
from windowconv.fftconv.workspace import advise_huge, workspace

BLOCK_BYTES = 8 << 20  # of one tensor's spectrum: several of them should share the cache


@dataclass(frozen=True)
class _Columns:
    """A block of frequency columns that share a table."""

    start: int
    stop: int
    mirrored: bool


class _Spectrum:
    """One tensor on its way through the transform: along the width at once, along the height by blocks."""

    def __init__(self, role: Role, plan: Plan, shape: tuple[int, ...], like: Tensor, take: workspace) -> None:
        self.height, self.width = _sides(role, plan)
        self.tables: Tables = make_tables(role, self.height, self.width, like.dtype, like.device)
        self.shape = shape  # samples first: (h, w, groups, tiles, images, channels)
        self.count = 1
        for size in shape[2:]:
            self.count *= size
        self.take, self.like = take, like
        self.columns = half_rows(self.width.period)
        # (h, real and imaginary, columns, count)
        self.rows = self.new((self.height.length, 2 * self.columns, self.count), take)

    def new(self, shape: tuple[int, ...], take: workspace) -> Tensor:
        return take(shape, self.like.dtype, self.like.device)

    def load(self, view: Tensor, factor: Tensor | None = None) -> None:
        """Transform a tensor along the width."""
        with workspace() as take:
            tiles = self.new(self.shape, take)
            samples.gather(view, self.height, self.width, tiles, factor)
            torch.matmul(self.tables.width, tiles.view(*self.shape[:2], self.count), out=self.rows)

    def store(self, view: Tensor, factor: Tensor | None = None, bias: Tensor | None = None) -> None:
        """The transpose of `load`."""
        with workspace() as take:
            tiles = self.new(self.shape, take)
            torch.matmul(self.tables.width.t(), self.rows, out=tiles.view(*self.shape[:2], self.count))
            samples.scatter(tiles, self.height, self.width, view, factor, bias)

    def block(self, columns: _Columns) -> Tensor:
        """The part of the rows that belongs to a block, as a matrix: (2 h, columns * count)."""
        flat = self.rows.view(2 * self.height.length, self.columns * self.count)
        return flat[:, columns.start * self.count : columns.stop * self.count]

    def table(self, columns: _Columns) -> Tensor:
        return self.tables.mirrored if columns.mirrored else self.tables.full

    def forms(self, columns: _Columns, take: workspace) -> Tensor:
        """A block's spectrum: (products, groups, images of all tiles, channels)."""
        out = self.empty_forms(columns, take)
        torch.mm(self.table(columns), self.block(columns), out=out.view(self.table(columns).shape[0], -1))
        return out

    def empty_forms(self, columns: _Columns, take: workspace) -> Tensor:
        groups, tiles, images, channels = self.shape[2:]
        products = self.table(columns).shape[0] * (columns.stop - columns.start)
        return self.new((products, groups, tiles * images, channels), take)

    def collect(self, forms: Tensor, columns: _Columns) -> None:
        """The transpose of `forms`."""
        table = self.table(columns)
        torch.mm(table.t(), forms.view(table.shape[0], -1), out=self.block(columns))


def convolve(
    plan: Plan, input: Tensor, weight: Tensor, bias: Tensor | None, window: Tensor | None, keep: bool = False
) -> tuple[Tensor, Tensor]:
    """The output, and an empty tensor where the native operator gives the spectra that it keeps."""
    dtype = compute_dtype(input.dtype)
    like = torch.empty(0, dtype=dtype, device=input.device)
    shape = (plan.problem.batch, plan.problem.out_channels, plan.height.axis.outputs, plan.width.axis.outputs)
    output = _new(shape, like, samples.is_channels_last(input) or samples.is_channels_last(weight))
    if not _meets(plan):
        output.copy_(torch.zeros_like(output) if bias is None else bias.view(1, -1, 1, 1).expand_as(output))
        return output.to(input.dtype), like
    view = samples.image_view(output, plan)
    with workspace() as take:
        x = _load("input", plan, samples.image_view(input, plan), like, take)
        w = _load("kernel", plan, samples.weight_view(weight, plan), like, take, _factor(window, weight, plan, dtype))
        y = _Spectrum("output", plan, _tiled("output", plan, view), like, take)
        for columns in _blocks(plan, y, x, w):
            with workspace() as inner:
                product = y.empty_forms(columns, inner)
                _product(plan, x.forms(columns, inner), w.forms(columns, inner), product)
                y.collect(product, columns)
        y.store(view, bias=None if bias is None else _bias_view(bias.to(dtype), plan))
    return output.to(input.dtype), like


def gradients(
    plan: Plan,
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    window: Tensor | None,
    spectrum: Tensor,
    needs: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of the input and of the weight before its window, each where needed."""
    dtype = compute_dtype(input.dtype)
    like = torch.empty(0, dtype=dtype, device=input.device)
    for_input = _new(tuple(input.shape), like, samples.is_channels_last(input)) if needs[0] else None
    for_weight = _new(tuple(weight.shape), like, samples.is_channels_last(weight)) if needs[1] else None
    factor = _factor(window, weight, plan, dtype)
    with workspace() as take:
        if not _meets(plan):
            return _zero(for_input, input), _zero(for_weight, weight)
        x = _load("input", plan, samples.image_view(input, plan), like, take, skip=not needs[1])
        w = _load("kernel", plan, samples.weight_view(weight, plan), like, take, factor, skip=not needs[0])
        g = _load("output", plan, samples.image_view(grad_output, plan), like, take)
        for columns in _blocks(plan, g, x, w):
            with workspace() as inner:
                _gradient_block(plan, x, w, g, columns, needs, inner)
        if for_input is not None:
            x.store(samples.image_view(for_input, plan))
        if for_weight is not None:
            w.store(samples.weight_view(for_weight, plan), factor)
    return (
        None if for_input is None else for_input.to(input.dtype),
        None if for_weight is None else for_weight.to(weight.dtype),
    )


def _gradient_block(
    plan: Plan,
    x: _Spectrum,
    w: _Spectrum,
    g: _Spectrum,
    columns: _Columns,
    needs: tuple[bool, bool],
    take: workspace,
) -> None:
    """One block's products; their results take the place of the factors that are used up."""
    grad = g.forms(columns, take)
    kernel = w.forms(columns, take) if needs[0] else None
    if needs[1]:
        product = w.empty_forms(columns, take)
        _kernel_product(plan, grad, x.forms(columns, take), product)
        w.collect(product, columns)
    if kernel is not None:
        product = x.empty_forms(columns, take)
        _input_product(plan, grad, kernel, product)
        x.collect(product, columns)


def _product(plan: Plan, x: Tensor, w: Tensor, out: Tensor) -> None:
    """output[n, k] = sum_c x[n, c] w[k, c], for every frequency and group."""
    if plan.problem.depthwise:
        torch.mul(x, w, out=out)
    else:
        torch.bmm(x.flatten(0, 1), w.flatten(0, 1).transpose(1, 2), out=out.flatten(0, 1))


def _input_product(plan: Plan, grad: Tensor, w: Tensor, out: Tensor) -> None:
    """x[n, c] = sum_k grad[n, k] w[k, c]."""
    if plan.problem.depthwise:
        torch.mul(grad, w, out=out)
    else:
        torch.bmm(grad.flatten(0, 1), w.flatten(0, 1), out=out.flatten(0, 1))


def _kernel_product(plan: Plan, grad: Tensor, x: Tensor, out: Tensor) -> None:
    """w[k, c] = sum_n grad[n, k] x[n, c]; x is used up."""
    if plan.problem.depthwise:
        torch.sum(x.mul_(grad), dim=2, keepdim=True, out=out)
    else:
        torch.bmm(grad.flatten(0, 1).transpose(1, 2), x.flatten(0, 1), out=out.flatten(0, 1))


def _load(
    role: Role,
    plan: Plan,
    view: Tensor,
    like: Tensor,
    take: workspace,
    factor: Tensor | None = None,
    skip: bool = False,
) -> _Spectrum:
    spectrum = _Spectrum(role, plan, _tiled(role, plan, view), like, take)
    if not skip:
        spectrum.load(view, factor)
    return spectrum


def _tiled(role: Role, plan: Plan, view: Tensor) -> tuple[int, ...]:
    return samples.tiled_shape(view, *_sides(role, plan))


def _sides(role: Role, plan: Plan) -> tuple[Side, Side]:
    return getattr(plan.height, role), getattr(plan.width, role)


def _blocks(plan: Plan, *spectra: _Spectrum) -> Iterator[_Columns]:
    """All columns, in blocks of a bounded size; the columns that mirror themselves are blocks of their own."""
    columns = half_rows(plan.width.period)
    last = columns - 1 if plan.width.period % 2 == 0 else columns
    column_bytes = max(s.tables.full.shape[0] * s.count * s.like.dtype.itemsize for s in spectra)
    step = max(1, BLOCK_BYTES // column_bytes)
    yield _Columns(0, 1, True)
    for start in range(1, last, step):
        yield _Columns(start, min(start + step, last), False)
    if last < columns and last > 0:
        yield _Columns(last, columns, True)


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """What is computed in: half precisions in float32."""
    return dtype if dtype == torch.float64 else torch.float32


def _new(shape: tuple[int, ...], like: Tensor, channels_last: bool) -> Tensor:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return advise_huge(torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=layout))


def _factor(window: Tensor | None, weight: Tensor, plan: Plan, dtype: torch.dtype) -> Tensor | None:
    if window is None:
        return None
    return samples.weight_view(window.to(dtype).expand_as(weight), plan)


def _bias_view(bias: Tensor, plan: Plan) -> Tensor:
    """(groups, 1, channels of a group), which broadcasts over an output's tiles."""
    groups = 1 if plan.problem.depthwise else plan.problem.groups
    return bias.view(groups, 1, -1)


def _meets(plan: Plan) -> bool:
    """Whether the output depends on anything but the bias."""
    return plan.problem.batch > 0 and all(axis.touching for axis in plan.problem.axes)


def _zero(gradient: Tensor | None, like: Tensor) -> Tensor | None:
    return None if gradient is None else gradient.zero_().to(like.dtype)
