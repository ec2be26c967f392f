"""Tensors to and from the layout of the transforms: samples first, so that every transform is one matrix product.

The layout is (tile's height, tile's width, groups, tiles, images, channels), where a weight's "images" are its output
channels. A convolution with a channel of its own for each output keeps all channels in one group.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

from windowconv.fftconv.plan import Plan, Side

Span = tuple[slice, slice]  # of a tensor's axis, and where it lies on a tile


def is_channels_last(tensor: Tensor) -> bool:
    """Torch's own rule for convolutions; with one channel or one pixel, a tensor in both formats is contiguous."""
    return suggest_memory_format(tensor) == torch.channels_last


def image_view(images: Tensor, plan: Plan) -> Tensor:
    """(N, C, H, W) seen as (H, W, groups, N, C of a group)."""
    groups = 1 if plan.problem.depthwise else plan.problem.groups
    return images.unflatten(1, (groups, images.shape[1] // groups)).permute(3, 4, 1, 0, 2)


def weight_view(weight: Tensor, plan: Plan) -> Tensor:
    """(K, C of a group, h, w) seen as (h, w, groups, K of a group, C of a group); depthwise as (h, w, 1, 1, C)."""
    if plan.problem.depthwise:
        return weight.permute(2, 3, 1, 0).unsqueeze(2)
    groups = plan.problem.groups
    return weight.unflatten(0, (groups, weight.shape[0] // groups)).permute(3, 4, 0, 1, 2)


def tiled_shape(view: Tensor, height: Side, width: Side) -> tuple[int, ...]:
    """The layout's shape for a tensor seen as (H, W, groups, images, channels)."""
    groups, images, channels = view.shape[2:]
    return (height.length, width.length, groups, height.tiles * width.tiles, images, channels)


def gather(view: Tensor, height: Side, width: Side, out: Tensor, factor: Tensor | None = None) -> None:
    """Cut a tensor seen as (H, W, groups, images, channels) into tiles, times a factor that broadcasts to the view."""
    if not _whole(height, width):
        out.zero_()
    for tile, ((rows, tile_rows), (columns, tile_columns)) in enumerate(_tiles(height, width)):
        piece = out[tile_rows, tile_columns, :, tile]
        if factor is None:
            piece.copy_(view[rows, columns])
        else:
            torch.mul(view[rows, columns], factor[rows, columns], out=piece)


def scatter(
    tiles: Tensor, height: Side, width: Side, view: Tensor, factor: Tensor | None = None, bias: Tensor | None = None
) -> None:
    """The transpose of `gather`, into a fresh `view`: tiles are added where they overlap, and zero is where none is.

    `bias` is for tiles that are next to one another, as an output's are.
    """
    once = _written_once(height) and _written_once(width)
    if not once:
        view.zero_()
    for tile, ((rows, tile_rows), (columns, tile_columns)) in enumerate(_tiles(height, width)):
        piece, target = tiles[tile_rows, tile_columns, :, tile], view[rows, columns]
        part = None if factor is None else factor[rows, columns]
        if not once:
            target.add_(piece) if part is None else target.addcmul_(piece, part)
        elif part is not None:
            torch.mul(piece, part, out=target)
        elif bias is not None:
            torch.add(piece, bias, out=target)
        else:
            target.copy_(piece)


def _written_once(side: Side) -> bool:
    """Whether the tiles cover every sample of the tensor exactly once."""
    if side.tiles == 1:
        return side.first == 0 and side.length == side.size
    return side.first == 0 and side.advance == side.length and side.tiles * side.length >= side.size


def _whole(height: Side, width: Side) -> bool:
    """Whether there is one tile, all of it inside the tensor."""
    return all(s.tiles == 1 and s.first >= 0 and s.first + s.length <= s.size for s in (height, width))


def _tiles(height: Side, width: Side) -> Iterator[tuple[Span, Span]]:
    for row in range(height.tiles):
        for column in range(width.tiles):
            yield _span(height, row), _span(width, column)


def _span(side: Side, tile: int) -> Span:
    """The part of a tile that lies inside the tensor."""
    start = side.first + tile * side.advance
    begin = min(max(start, 0), side.size)
    end = max(begin, min(start + side.length, side.size))
    return slice(begin, end), slice(begin - start, end - start)
