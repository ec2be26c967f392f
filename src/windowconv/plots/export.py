"""A figure as SVG text for a page, or as a PNG file; the same figure gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from windowconv.errors import require
from windowconv.files import replace_file

from .style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", drawing)


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
