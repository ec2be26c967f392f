"""Every kind of page in a real browser: no error, nothing cut off, every name as it was given."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from windowconv import plots
from windowconv.cli import main
from windowconv.report import Column, Figure, Page, Section, Table, Text, write

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
EVIL = ("<script>hit=1<b>", "<img src=x onerror=hit=1>", "\"'><i onmouseover=hit=1>")
"""Names of classes, folders and studies; a file's name holds no slash."""
WIDTHS = (390, 1200)
NETWORK = """
from torch import nn
def sound():
    return nn.Sequential(nn.Conv1d(1, 4, 41, stride=4), nn.ReLU(), nn.Conv1d(4, 8, 9))
"""
KINDS = ("study", "attacks", "inspection", "sound", "windows", "parts")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium that is installed."""
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"install one of {', '.join(names)}")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages that the commands write, about classes, folders and studies with the worst of names."""
    home = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.syspath_prepend(home)
        (home / "page_networks.py").write_text(NETWORK)
        data, out = _images(home / f"data {EVIL[1]}"), home / f"out {EVIL[2]}"
        sizes = ("--depth", "2", "--width", "2", "--epochs", "1", "--batch-size", "8", "--threads", "1")
        where = ("--data", str(data), "--image-size", "12")
        _run("compare", *where, *sizes, "--seeds", "2", "--arms", "3x3", "5x5-hamming", "--out", str(out))
        _run("attack", str(out), "--data", str(data), "--attacks", "fgsm", "--images", "6", "--threads", "1")
        _run("inspect", str(out / "3x3-seed0"), "--against", str(out / "5x5-hamming-seed0"), "--out", "networks")
        _run("inspect", "page_networks:sound", "--rate", "16000", "--out", "sound")
        _run("windows", "--out", "windows.html")
    _parts(home / "parts.html")
    found = {"study": out / "report.html", "attacks": out / "robustness.html", "parts": home / "parts.html"}
    found |= {"inspection": home / "networks/report.html", "sound": home / "sound/report.html"}
    return {**found, "windows": home / "windows.html"}


def _run(*words: str) -> None:
    assert main(words) == 0, words


def _images(folder: Path) -> Path:
    """Three classes with evil names, of noise."""
    rng = np.random.default_rng(0)
    for split, name in ((split, name) for split in ("train", "val") for name in EVIL):
        (folder / split / name).mkdir(parents=True)
        for i in range(4):
            noise = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / split / name / f"{i}.png")
    return folder


def _parts(path: Path) -> None:
    """Every block of a page, too wide, with evil text everywhere."""
    columns = [f"contrast {EVIL[0]}", *(Column(f"{EVIL[1]} {i}", ".2f", detail=i > 6) for i in range(14))]
    rows = [[f"{name} is a name that is long enough", *map(float, range(14))] for name in EVIL]
    drawn = plots.svg(plots.accuracy_by_arm({name: [1.0, 2.0] for name in EVIL}))
    blocks = [
        Table(f"Wide {EVIL[1]}", columns, rows, EVIL[2], sortable=True),
        Figure(drawn, EVIL[0], EVIL[2]),
        Text("command --option " * 40 + EVIL[1], code=True),
        Text("x" * 300 + EVIL[0]),
    ]
    write(Page(EVIL[0], EVIL[1], [Section(EVIL[2], blocks, EVIL[1])], {EVIL[0]: EVIL[2]}), path)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_has_no_errors_and_stays_within_its_window(
    browser: Any, pages: dict[str, Path], kind: str, width: int
) -> None:
    for scheme in ("light", "dark"):
        page, said = _opened(browser, pages[kind], width, scheme)
        assert said == []
        root = "document.documentElement"
        assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), "the page itself scrolls sideways"
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, paper[4:-1].split(", "))) < 200) == (scheme == "dark")
        # What is wider than its place can be scrolled, and says so at its edge.
        assert page.evaluate(
            "[...document.querySelectorAll('.scroll')].every(box => "
            "box.classList.contains('more-right') === box.scrollWidth > box.clientWidth + 1)"
        )
        beyond = page.evaluate(
            "[...document.querySelectorAll('main *, header *')].filter(each => !each.closest('.scroll, svg') && "
            f"each.getBoundingClientRect().right > {width} + .5).map(each => each.outerHTML.slice(0, 80))"
        )
        assert beyond == []
        page.close()


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_text(browser: Any, pages: dict[str, Path], kind: str) -> None:
    page, said = _opened(browser, pages[kind], 1200, "light")
    for each in page.query_selector_all("h1, th, td, dd, figcaption"):
        each.dispatch_event("mouseover")
    assert said == []
    assert page.evaluate("typeof hit") == "undefined"
    assert page.evaluate("document.scripts.length") == 1
    assert page.evaluate("document.querySelectorAll('img, b, [onerror], [onmouseover]').length") == 0
    page.close()


def test_a_wide_table_keeps_its_first_column_and_shows_all_on_demand(browser: Any, pages: dict[str, Path]) -> None:
    page, _ = _opened(browser, pages["parts"], 390, "light")
    shown = "[...document.querySelectorAll('thead th')].filter(each => each.offsetWidth).length"
    assert page.evaluate(shown) == 8
    page.check(".all input")
    assert page.evaluate(shown) == 15
    left = "document.querySelector('{} th').getBoundingClientRect().left"
    before = [page.evaluate(left.format(part)) for part in ("thead", "tbody")]
    page.evaluate("document.querySelector('.table .scroll').scrollLeft = 9999")
    page.wait_for_function("document.querySelector('.table .scroll').classList.contains('more-left')")
    assert [page.evaluate(left.format(part)) for part in ("thead", "tbody")] == pytest.approx(before, abs=1)
    assert not page.evaluate("document.querySelector('.table .scroll').classList.contains('more-right')")
    assert page.evaluate("document.querySelector('pre').scrollWidth <= document.querySelector('pre').clientWidth")
    # The figure's smallest letters, 8 points of its own, are 8 pixels high at least.
    svg = "document.querySelector('.card svg')"
    assert page.evaluate(f"8 * {svg}.getBoundingClientRect().width / {svg}.viewBox.baseVal.width") >= 7.99
    page.close()


def _opened(browser: Any, path: Path, width: int, scheme: str) -> tuple[Any, list[str]]:
    """A page in a window of this width, laid out, and what it said on the console."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(path.as_uri())
    page.wait_for_function("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
    return page, said
