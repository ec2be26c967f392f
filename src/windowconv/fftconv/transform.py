"""The transform of one tensor and its transpose: along the width at once, along the height by blocks of columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from windowconv.fftconv.dft_tables import Role, folds, half, make_tables
from windowconv.fftconv.tile_plan import TilePlan
from windowconv.fftconv.tiling import Tiling
from windowconv.fftconv.workspace import workspace

CPU_BLOCK = 8 << 20  # bytes of one tensor's spectrum, so that several share the cache
OTHER_BLOCK = 256 << 20  # on other devices the number of calls dominates


@dataclass(frozen=True)
class Columns:
    """A block of frequency columns `start ... stop - 1` that share a table; `mirrored` ones are self-conjugate."""

    start: int
    stop: int
    mirrored: bool

    @property
    def count(self) -> int:
        return self.stop - self.start


class Transform:
    """A tensor's transform along the width, from which its spectra are computed and into which they are summed.

    A spectrum is (3, frequencies, groups, images of all tiles, channels): the three real forms of the real parts a and
    imaginary parts b whose products give the complex product (Karatsuba & Ofman, 1962). For the spectra x of the
    input, w of the kernel and g of the output's gradient they are the factors of

        Re(conj(x) w conj(g)) = xa wa (ga - gb) + xb wb (ga + gb) + (xa - xb) (wa + wb) gb
    """

    def __init__(self, role: Role, plan: TilePlan, view: Tensor, dtype: torch.dtype, take: workspace) -> None:
        """Take memory for tensors that are viewed like `view`, (height, width, groups, images, channels)."""
        self.role: Role = role
        self.tiling = Tiling(getattr(plan.height, role), getattr(plan.width, role))
        self.folds = folds(self.tiling.height)
        self.dtype, self.device = dtype, view.device
        self.tables = make_tables(role, self.tiling.height, self.tiling.width, dtype, view.device)
        groups, images, channels = view.shape[2:]
        self.row_shape = (groups, self.tiling.tiles, images, channels)
        self.count = prod(self.row_shape)
        self.columns = half(self.tiling.width.period)
        # (sums and differences of rows, real and imaginary parts, columns, count)
        self.rows = take((self.tables.full.shape[1], 2, self.columns, self.count), dtype, view.device)

    def load(self, view: Tensor, factor: Tensor | None = None) -> None:
        """Transform a tensor along the width, times a factor of the same view."""
        with workspace() as take:
            above, below, total = (_Row(self, view, take) for _ in range(3))
            differences = len(self.folds)
            for sums, fold in enumerate(self.folds):
                self.tiling.read_row(view, fold.above, above.tiles, factor)
                if fold.centre:
                    self._widen(self.tables.sums, above, sums)
                    continue
                self.tiling.read_row(view, fold.below, below.tiles, factor)
                torch.add(above.memory, below.memory, out=total.memory)
                self._widen(self.tables.sums, total, sums)
                above.memory.sub_(below.memory)
                self._widen(self.tables.differences, above, differences)
                differences += 1

    def store(self, view: Tensor, factor: Tensor | None = None) -> None:
        """The transpose of `load`: overwrite a tensor's view."""
        if not self.tiling.covered_once:
            view.zero_()
        with workspace() as take:
            sum_, difference, total = (_Row(self, view, take) for _ in range(3))
            differences = len(self.folds)
            for sums, fold in enumerate(self.folds):
                self._narrow(self.tables.sums, sums, sum_)
                if fold.centre:
                    self.tiling.add_row(sum_.tiles, fold.above, view, factor)
                    continue
                self._narrow(self.tables.differences, differences, difference)
                differences += 1
                torch.add(sum_.memory, difference.memory, out=total.memory)
                self.tiling.add_row(total.tiles, fold.above, view, factor)
                sum_.memory.sub_(difference.memory)
                self.tiling.add_row(sum_.tiles, fold.below, view, factor)

    def add_constant(self, values: Tensor) -> None:
        """Add (groups * channels,) to every sample that `store` writes: to frequency 0 of every sum of rows."""
        groups, _, _, channels = self.row_shape
        constants = self.rows[: len(self.folds), 0, 0].view(len(self.folds), groups, -1, channels)
        constants.add_(values.view(groups, 1, channels))

    def spectrum(self, columns: Columns, take: workspace) -> Tensor:
        """The spectrum of a block of columns, of the shape of `empty_spectrum`."""
        spectrum = self.empty_spectrum(columns, take)
        real, imaginary, both = self._planes(spectrum, columns)
        torch.mm(self._table(columns), self._block(0, columns), out=real)
        torch.mm(self._table(columns), self._block(1, columns), out=imaginary)
        torch.add(real, imaginary, alpha=-1 if self.role == "input" else 1, out=both)
        if self.role == "output":
            real.sub_(imaginary)
        return spectrum

    def empty_spectrum(self, columns: Columns, take: workspace) -> Tensor:
        """Memory for a block's spectrum: (3, frequencies, groups, tiles * images, channels)."""
        groups, tiles, images, channels = self.row_shape
        frequencies = self._table(columns).shape[0] * columns.count
        return take((3, frequencies, groups, tiles * images, channels), self.dtype, self.device)

    def collect(self, spectrum: Tensor, columns: Columns) -> None:
        """The transpose of `spectrum`: a block's share of the rows, from a spectrum that is overwritten."""
        real, imaginary, both = self._planes(spectrum, columns)
        if self.role == "output":
            imaginary.sub_(real)
        real.add_(both)
        imaginary.add_(both, alpha=-1 if self.role == "input" else 1)
        torch.mm(self._table(columns).t(), real, out=self._block(0, columns))
        torch.mm(self._table(columns).t(), imaginary, out=self._block(1, columns))

    def _planes(self, spectrum: Tensor, columns: Columns) -> tuple[Tensor, Tensor, Tensor]:
        """The forms a, b and their sum or difference, each as (frequencies along the height, all else)."""
        planes = spectrum.view(3, self._table(columns).shape[0], -1)
        if self.role == "output":
            return planes[0], planes[2], planes[1]
        return planes[0], planes[1], planes[2]

    def _widen(self, table: Tensor, row: _Row, index: int) -> None:
        torch.mm(table, row.matrix, out=self.rows[index].view(2 * self.columns, self.count))

    def _narrow(self, table: Tensor, index: int, row: _Row) -> None:
        torch.mm(table.t(), self.rows[index].view(2 * self.columns, self.count), out=row.matrix)

    def _block(self, part: int, columns: Columns) -> Tensor:
        """The real (0) or imaginary (1) parts of a block of columns as a matrix: (sums and differences, all else)."""
        return self.rows[:, part].flatten(1)[:, columns.start * self.count : columns.stop * self.count]

    def _table(self, columns: Columns) -> Tensor:
        return self.tables.mirrored if columns.mirrored else self.tables.full


class _Row:
    """Memory for one row of all tiles, in the memory order of the tensor that it is copied from or to."""

    def __init__(self, transform: Transform, view: Tensor, take: workspace) -> None:
        length, count = transform.tiling.width.length, transform.count
        if view.stride(1) < view.stride(4):  # samples next to one another
            self.memory = take((count, length), transform.dtype, transform.device)
            self.matrix = self.memory.t()
            self.tiles = self.memory.view(*transform.row_shape, length).permute(4, 0, 1, 2, 3)
        else:
            self.memory = self.matrix = take((length, count), transform.dtype, transform.device)
            self.tiles = self.memory.view(length, *transform.row_shape)


def blocks(transforms: tuple[Transform, ...]) -> Iterator[Columns]:
    """All columns in blocks whose spectra have a bounded size; each self-conjugate column is a block of its own."""
    width = transforms[0].tiling.width
    columns = half(width.period)
    last = columns - 1 if width.period % 2 == 0 else columns
    size = max(3 * t.tiling.height.period * t.count * t.dtype.itemsize for t in transforms)
    step = max(1, (CPU_BLOCK if transforms[0].device.type == "cpu" else OTHER_BLOCK) // size)
    yield Columns(0, 1, True)
    for start in range(1, last, step):
        yield Columns(start, min(start + step, last), False)
    if 0 < last < columns:
        yield Columns(last, columns, True)
