"""A tensor's samples on the tiles: copied from the tensor row by row for all tiles, and added back.

A tensor is viewed as (height, width, groups, images, channels); a weight's "images" are its output channels. One row of
all tiles is (tile's width, groups, tiles, images, channels). A depthwise convolution has all its channels in one group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

from windowconv.fftconv.tile_plan import TensorTiles, TilePlan


def is_channels_last(tensor: Tensor) -> bool:
    """Whether torch's convolution treats a tensor as channels-last; one that is in both formats is contiguous."""
    return suggest_memory_format(tensor) == torch.channels_last


def image_view(images: Tensor, plan: TilePlan) -> Tensor:
    """(N, C, H, W) viewed as (H, W, groups, N, C / groups)."""
    groups = 1 if plan.problem.depthwise else plan.problem.groups
    return images.unflatten(1, (groups, images.shape[1] // groups)).permute(3, 4, 1, 0, 2)


def weight_view(weight: Tensor, plan: TilePlan) -> Tensor:
    """(K, C / groups, h, w) viewed as (h, w, groups, K / groups, C / groups); depthwise as (h, w, 1, 1, C)."""
    if plan.problem.depthwise:
        return weight.permute(2, 3, 1, 0).unsqueeze(2)
    groups = plan.problem.groups
    return weight.unflatten(0, (groups, weight.shape[0] // groups)).permute(3, 4, 0, 1, 2)


@dataclass(frozen=True)
class Tiling:
    """The tiles of a tensor on both axes."""

    height: TensorTiles
    width: TensorTiles

    @property
    def tiles(self) -> int:
        return self.height.tiles * self.width.tiles

    @property
    def covered_once(self) -> bool:
        """Whether every sample of the tensor is on exactly one tile."""
        return all(
            side.first == 0 and side.tiles * side.length >= side.size and side.advance in (0, side.length)
            for side in (self.height, self.width)
        )

    def read_row(self, view: Tensor, row: int | None, out: Tensor, factor: Tensor | None) -> None:
        """Copy one row of all tiles from a view, times a factor of the view's shape.

        Args:
            view: (height, width, groups, images, channels).
            row: the row's index on the tiles; None fills with zeros, as do samples outside the tensor.
            out: (tile's width, groups, tiles, images, channels).
        """
        pieces = [] if row is None else list(self._pieces(row))
        if sum(piece.samples for piece in pieces) < self.tiles * self.width.length:
            out.zero_()
        for piece in pieces:
            target, source = out[piece.on_tile, :, piece.tile], view[piece.row, piece.columns]
            if factor is None:
                target.copy_(source)
            else:
                torch.mul(source, factor[piece.row, piece.columns], out=target)

    def add_row(self, tiles: Tensor, row: int | None, view: Tensor, factor: Tensor | None) -> None:
        """Add one row of all tiles to a view, or overwrite one that is covered once: the transpose of `read_row`."""
        for piece in () if row is None else self._pieces(row):
            source, target = tiles[piece.on_tile, :, piece.tile], view[piece.row, piece.columns]
            part = None if factor is None else factor[piece.row, piece.columns]
            if not self.covered_once:
                target.add_(source) if part is None else target.addcmul_(source, part)
            elif part is None:
                target.copy_(source)
            else:
                torch.mul(source, part, out=target)

    def _pieces(self, row: int) -> Iterator[_Piece]:
        for down in range(self.height.tiles):
            position = self.height.first + down * self.height.advance + row
            if not 0 <= position < self.height.size:
                continue
            for across in range(self.width.tiles):
                start = self.width.first + across * self.width.advance
                begin, end = max(start, 0), min(start + self.width.length, self.width.size)
                if begin < end:
                    yield _Piece(down * self.width.tiles + across, position, begin, end, start)


@dataclass(frozen=True)
class _Piece:
    """The part of one tile's row inside the tensor."""

    tile: int
    row: int  # of the tensor
    begin: int  # in the tensor's row
    end: int
    start: int  # of the tile in the tensor's row

    @property
    def samples(self) -> int:
        return self.end - self.begin

    @property
    def columns(self) -> slice:
        return slice(self.begin, self.end)

    @property
    def on_tile(self) -> slice:
        return slice(self.begin - self.start, self.end - self.start)
