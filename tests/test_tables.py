"""Results as text and as HTML: the same words, and whatever names hold, escaped."""

from html.parser import HTMLParser

import pytest
import torch
from torch import nn

from windowconv import plots
from windowconv.algorithms import AlgorithmReport, LayerAlgorithm
from windowconv.model_summary import summary
from windowconv.plan import plan_conversion
from windowconv.spectra import leakage
from windowconv.tables import Shown, TextTable


class Words(HTMLParser):
    """The text of cells and paragraphs, and the tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 7), nn.ReLU(), nn.Conv2d(4, 4, 3))


@pytest.mark.parametrize(
    "measure",
    [leakage, plan_conversion, lambda net: summary(net, torch.zeros(1, 3, 16, 16))],
    ids=("leakage", "plan", "summary"),
)
def test_a_notebook_shows_what_print_shows(net: nn.Module, measure) -> None:
    result: Shown = measure(net)
    shown = Words(result._repr_html_())
    assert "".join("".join(shown.words).split()) == "".join(str(result).split())
    assert shown.tags <= {"div", "table", "thead", "tbody", "tr", "th", "td", "p"}


def test_names_are_escaped() -> None:
    evil = "<script>alert('x')</script>"
    shown = Words(AlgorithmReport((LayerAlgorithm(evil, "fft", "direct"),))._repr_html_())
    assert evil in shown.words
    assert "script" not in shown.tags
    assert "<b>" not in TextTable(["<b>"], [["<b>"]]).html()


def test_numbers_stand_at_the_right() -> None:
    html = TextTable(["layer", "taps"], [["a", 1234]]).html()
    assert '<th style="text-align: left">layer</th><th style="text-align: right">taps</th>' in html
    assert '<td style="text-align: right">1,234</td>' in html


def test_a_figure_is_a_picture_of_its_size_in_inches() -> None:
    figure = plots.window_figure([0.1, 1.0, 0.1], "three")
    picture, size = figure._repr_png_()  # pyright: ignore[reportAttributeAccessIssue]
    assert picture[:4] == b"\x89PNG"
    assert size == {"width": round(96 * 7.2), "height": round(96 * 3.0)}
