"""A page's figures as files of their own, for a paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from windowconv.files import replace_file
from windowconv.report.blocks import Figure, Page
from windowconv.report.render import section_anchors

from .export import keeping_figures, pdf

FigureFormat = Literal["pdf", "svg"]


@contextmanager
def figure_files(folder: Path, formats: Sequence[FigureFormat]) -> Iterator[Callable[[Page], list[Path]]]:
    """Write the figures that are drawn within.

    Args:
        folder: theirs.
        formats: of each figure; none for no files.

    Returns:
        A function of the finished page, to be called within, that writes its figures: SECTION-NUMBER.FORMAT, or
        ANCHOR.FORMAT for those that have an anchor. It returns the paths, and raises an `InputError` for a folder that
        cannot be written.
    """
    with keeping_figures() as drawn:

        def write(page: Page) -> list[Path]:
            paths = []
            for name, figure in _named(page) if formats else ():
                for form in formats:
                    content = figure.svg.encode() if form == "svg" else pdf(drawn[figure.svg])
                    paths.append(folder / f"{name}.{form}")
                    replace_file(paths[-1], content)
            return paths

        yield write


def _named(page: Page) -> Iterator[tuple[str, Figure]]:
    """The figures and the names of their files."""
    for section, anchor in zip(page.sections, section_anchors(page), strict=True):
        figures = [block for block in section.blocks if isinstance(block, Figure)]
        for number, figure in enumerate(figures, 1):
            yield figure.anchor or f"{anchor.removeprefix('section-')}-{number}", figure
