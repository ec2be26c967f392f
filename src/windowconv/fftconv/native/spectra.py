"""Torch tensors, plans and work space as the native library's structures."""

from __future__ import annotations

from ctypes import byref
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from windowconv.fftconv.native import library as c
from windowconv.fftconv.native.dft_tables import forward_tables, inverse_tables
from windowconv.fftconv.pages import ready
from windowconv.fftconv.tile_plan import TensorTiles
from windowconv.fftconv.workspace import workspace

TYPES = {torch.float32: c.FLOAT32, torch.bfloat16: c.BFLOAT16}
_PADDING = 128  # bytes between planes, so that one element of all frequencies does not fall into one cache set


class Spectrum:
    """A tensor's complex spectrum in memory: frequencies of rows x groups x channels, in blocks of lanes."""

    def __init__(self, frequencies: int, rows: int, groups: int, channels: int, dtype: torch.dtype) -> None:
        lanes = c.library().wc_lanes()
        blocks = groups * -(-channels // lanes)
        self.dtype = dtype
        self.plane = blocks * rows * lanes + _PADDING // dtype.itemsize
        self.numel = 2 * frequencies * self.plane
        self.data: Tensor | None = None  # kept where it is not work space
        self.struct = c.Spectrum(None, self.plane, rows, groups, channels, frequencies, TYPES[dtype])

    def put(self, data: Tensor) -> Spectrum:
        """Use `data`, flat and of `numel` elements or more, as its memory."""
        assert data.numel() >= self.numel
        return self.lie_at(data)

    def lie_at(self, data: Tensor) -> Spectrum:
        """Use `data` of any size, such as a packed kernel, as its memory."""
        assert data.dtype == self.dtype
        self.data = data
        self.struct.data = data.data_ptr()
        return self

    def taken(self, take: workspace) -> Spectrum:
        """Use work space as its memory."""
        self.struct.data = take.address(self.numel * self.dtype.itemsize)
        return self


def image_tensor(tensor: Tensor, groups: int) -> c.Tensor:
    """A tensor (N, groups * C, H, W) as the library's structure, without a copy."""
    n, channels = tensor.shape[:2]
    sn, sc, sh, sw = tensor.stride()
    each = channels // groups
    return c.Tensor(tensor.data_ptr(), each * sc, sn, sc, sh, sw, n, groups, each, TYPES[tensor.dtype])


def kernel_tensor(weight: Tensor, groups: int) -> c.Tensor:
    """A weight (groups * K, C, h, w) as the library's structure: the output channels of a group are its rows."""
    out, each = weight.shape[:2]
    so, sc, sh, sw = weight.stride()
    rows = out // groups
    return c.Tensor(weight.data_ptr(), rows * so, so, sc, sh, sw, rows, groups, each, TYPES[weight.dtype])


def depthwise_tensor(weight: Tensor) -> c.Tensor:
    """A depthwise weight (C, 1, h, w) as the library's structure: one row of C channels."""
    so, _, sh, sw = weight.stride()
    return c.Tensor(weight.data_ptr(), 0, 0, so, sh, sw, 1, 1, weight.shape[0], TYPES[weight.dtype])


@lru_cache(maxsize=512)
def _forward_axis(side: TensorTiles, sign: int) -> c.Axis:
    return _axis(side, forward_tables(side, sign))


@lru_cache(maxsize=512)
def _inverse_axis(side: TensorTiles, sign: int, half: bool) -> c.Axis:
    return _axis(side, inverse_tables(side, sign, half))


def _axis(side: TensorTiles, tables: tuple[np.ndarray, np.ndarray]) -> c.Axis:
    """One axis as the library's structure, which keeps alive the tables that it points to."""
    axis = c.Axis(
        side.size,
        side.tiles,
        side.first,
        side.advance,
        side.length,
        side.centre2,
        side.pairs,
        side.period,
        side.period // 2 + 1,
        tables[0].ctypes.data,
        tables[1].ctypes.data,
    )
    axis.tables = tables
    return axis


class Runner:
    """Calls the library's passes with this thread's settings and work space."""

    def __init__(self, take: workspace) -> None:
        self.take = take
        self.threads = torch.get_num_threads()
        self.library = c.library()
        self.run = c.Run(self.threads, 0, None)

    def _run(self, scratch_bytes: int) -> Any:
        """The threads and their scratch memory, `scratch_bytes` for each, which all passes share."""
        each = -(-scratch_bytes // 4096) * 4096 + 64
        if each > self.run.scratch_bytes:
            self.run = c.Run(self.threads, each, self.take.address(self.threads * each))
        return self.run

    def transform(
        self, tensor: c.Tensor, sides: tuple[TensorTiles, TensorTiles], sign: int, window: Tensor | None, out: Spectrum
    ) -> None:
        """Transform a tensor, times a window (kh, kw), to `out`; `sign` is that of the exponent."""
        axes = [_forward_axis(side, sign) for side in sides]
        run = self._run(self.library.wc_transform_scratch(byref(axes[0]), byref(axes[1])))
        pointer = None if window is None else window.data_ptr()
        arguments = (byref(tensor), byref(axes[0]), byref(axes[1]), pointer, byref(out.struct), byref(run))
        _check(self.library.wc_transform(*arguments))

    def invert(
        self,
        spectrum: Spectrum,
        sides: tuple[TensorTiles, TensorTiles],
        sign: int,
        out: c.Tensor,
        *,
        window: Tensor | None = None,
        bias: Tensor | None = None,
        accumulate: bool = False,
    ) -> None:
        """Transform a spectrum back to `out`, times a window (kh, kw), plus a bias (channels,).

        With `accumulate` the result is added to `out`.
        """
        axes = [_inverse_axis(sides[0], sign, False), _inverse_axis(sides[1], sign, True)]
        run = self._run(self.library.wc_transform_scratch(byref(axes[0]), byref(axes[1])))
        pointers = [None if t is None else t.data_ptr() for t in (window, bias)]
        _check(
            self.library.wc_invert(
                byref(spectrum.struct), byref(axes[0]), byref(axes[1]), *pointers, accumulate, byref(out), byref(run)
            )
        )

    def multiply(
        self,
        a: Spectrum,
        b: Spectrum,
        out: Spectrum,
        mode: int,
        dtype: torch.dtype,
        *,
        depthwise: bool,
        packed: bool = False,
    ) -> None:
        """The product of two spectra in one of the library's modes; the tensors' `dtype` sets the precision."""
        three = (byref(a.struct), byref(b.struct), byref(out.struct))
        if depthwise:
            _check(self.library.wc_multiply_depthwise(*three, mode, byref(self._run(0))))
            return
        run = self._run(self.library.wc_multiply_scratch(*three, mode, TYPES[dtype]))
        _check(self.library.wc_multiply(*three, mode, packed, TYPES[dtype], byref(run)))

    def packed_size(self, kernel: Spectrum) -> int:
        """The elements of a packed kernel."""
        return self.library.wc_packed_size(byref(kernel.struct))

    def pack(self, kernel: Spectrum) -> Tensor:
        """A kernel's spectrum as the product for outputs reads it, flat."""
        packed = ready(torch.empty(self.packed_size(kernel), dtype=kernel.dtype))
        _check(self.library.wc_pack(byref(kernel.struct), packed.data_ptr(), byref(self._run(0))))
        return packed


def _check(status: int) -> None:
    assert status == 0, "the native operator refused its arguments"
