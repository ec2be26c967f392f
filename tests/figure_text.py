"""Whether a reader can read what is written in a figure."""

from itertools import combinations
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text


def check_text(figure: Figure) -> None:
    """All text is at least 8 points high, inside the figure, and not over other text."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    width, height = figure.bbox.size
    boxes = []
    for text in shown_texts(figure):
        assert text.get_fontsize() >= 8, text
        box = text.get_window_extent(renderer)
        assert min(box.x0, box.y0) >= -1, text
        assert max(box.x1 - width, box.y1 - height) <= 1, text
        boxes.append((box, text))
    assert len(boxes) > 5
    for (one, text), (other, below) in combinations(boxes, 2):
        assert not one.overlaps(other), (text, below)


def shown_texts(figure) -> list[Any]:
    """All texts that a reader of `figure` sees, without the labels of ticks out of view."""
    hidden = set()
    for axes in figure.axes:
        for axis, at in ((axes.xaxis, 0), (axes.yaxis, 1)):
            low, high = sorted(axis.get_view_interval())
            for label in axis.get_ticklabels(which="both"):
                if not axes.axison or not low <= label.get_position()[at] <= high:
                    hidden.add(label)
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [text for text in texts if text not in hidden]
