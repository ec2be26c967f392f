"""A figure as SVG text for a page, or as a PNG or PDF file; the same figure gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from windowconv.errors import require
from windowconv.files import replace_file

from .style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_kept: ContextVar[dict[str, Figure] | None] = ContextVar("_kept", default=None)


@styled()
def svg(figure: Figure) -> str:
    """`figure` as an `<svg>` element to stand in an HTML page.

    There is no prolog, date or metadata; text is drawn as outlines, so that it needs no font; ids begin with
    a digest of the drawing, so that those of different figures in one page do not clash.
    """
    blank = {"Date": None, "Creator": None, "Format": None, "Type": None}
    buffer = io.StringIO()
    with require("matplotlib", "report").rc_context({"svg.hashsalt": "windowconv", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata=blank)
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :].strip()
    prefix = "f" + hashlib.sha256(drawing.encode()).hexdigest()[:10]
    drawing = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", drawing)
    if (kept := _kept.get()) is not None:
        kept[drawing] = figure
    return drawing


@contextmanager
def keeping_figures() -> Iterator[dict[str, Figure]]:
    """The figures of which `svg` makes texts within, by their text: to draw a page's figures in other formats."""
    found: dict[str, Figure] = {}
    token = _kept.set(found)
    try:
        yield found
    finally:
        _kept.reset(token)


@styled()
def pdf(figure: Figure) -> bytes:
    """`figure` as a PDF without a date, for LaTeX's `includegraphics`; letters stay letters."""
    blank = {"CreationDate": None, "Creator": None, "Producer": None}
    buffer = io.BytesIO()
    with require("matplotlib", "report").rc_context({"pdf.fonttype": 42}):
        figure.savefig(buffer, format="pdf", metadata=blank)
    return buffer.getvalue()


@styled()
def png(figure: Figure, path: str | Path | None = None, dpi: int = 150) -> bytes:
    """`figure` as a PNG of `dpi` dots per inch, also written to `path` if given.

    An `InputError` says why `path` could not be written; nothing half-written is left there.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    if path is not None:
        replace_file(Path(path), buffer.getvalue())
    return buffer.getvalue()
