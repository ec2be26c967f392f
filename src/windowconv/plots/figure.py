"""A matplotlib Figure that a notebook shows by itself; imports matplotlib, so that it is imported when one is drawn."""

from __future__ import annotations

from io import BytesIO

from matplotlib.figure import Figure

DPI = 192  # twice what a screen has, as its pixels may be small
SCREEN = 96  # CSS pixels an inch


class NotebookFigure(Figure):
    """Matplotlib shows a figure in a notebook where pyplot has made it, which ours never ask."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The picture, and how large it is shown, as IPython asks for it."""
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=DPI)
        width, height = (round(SCREEN * inches) for inches in self.get_size_inches())
        return buffer.getvalue(), {"width": width, "height": height}
