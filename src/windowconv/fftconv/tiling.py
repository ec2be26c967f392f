"""Where a tensor's samples are on the tiles: seen with samples first, copied row by row of all tiles, and added back.

A tensor is seen as (height, width, groups, images, channels), where a weight's "images" are its output channels. A row
of its tiles is (tile's width, groups, tiles, images, channels). A convolution with a channel of its own for each
output has all channels in one group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

from windowconv.fftconv.tile_plan import TensorTiles, TilePlan


def is_channels_last(tensor: Tensor) -> bool:
    """Torch's own rule for convolutions; with one channel or one pixel, a tensor in both formats is contiguous."""
    return suggest_memory_format(tensor) == torch.channels_last


def image_view(images: Tensor, plan: TilePlan) -> Tensor:
    """(N, C, H, W) seen as (H, W, groups, N, C of a group)."""
    groups = 1 if plan.problem.depthwise else plan.problem.groups
    return images.unflatten(1, (groups, images.shape[1] // groups)).permute(3, 4, 1, 0, 2)


def weight_view(weight: Tensor, plan: TilePlan) -> Tensor:
    """(K, C of a group, h, w) seen as (h, w, groups, K of a group, C of a group); depthwise as (h, w, 1, 1, C)."""
    if plan.problem.depthwise:
        return weight.permute(2, 3, 1, 0).unsqueeze(2)
    groups = plan.problem.groups
    return weight.unflatten(0, (groups, weight.shape[0] // groups)).permute(3, 4, 0, 1, 2)


@dataclass(frozen=True)
class Tiling:
    """The tiles of a tensor, by both axes."""

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
        """Copy one row of all tiles, times a factor like the view; zero outside the tensor, and where row is None."""
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
        """The transpose of `read_row`; where every sample is on one tile, what the view held is forgotten."""
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
            place = self.height.first + down * self.height.advance + row
            if not 0 <= place < self.height.size:
                continue
            for across in range(self.width.tiles):
                start = self.width.first + across * self.width.advance
                begin, end = max(start, 0), min(start + self.width.length, self.width.size)
                if begin < end:
                    yield _Piece(down * self.width.tiles + across, place, begin, end, start)


@dataclass(frozen=True)
class _Piece:
    """The part of one tile's row that is inside the tensor."""

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
