"""`windowconv windows`: numbers against the library's own, advice that rests on them, one line for bad input."""

import json

import pytest
import torch

from windowconv.cli.at_size import recommendations
from windowconv.cli.library import Windows
from windowconv.cli.windows import default_names, parse_window
from windowconv.errors import InputError
from windowconv.spectra.curve import leakage_curve
from windowconv.spectra.merit import window_figures
from windowconv.windows import Window, get_window, window_values


def words(capsys: pytest.CaptureFixture[str], **options: object) -> str:
    Windows(**options).run()
    return capsys.readouterr().out


def test_the_table_and_the_advice_at_seven(capsys):
    out = words(capsys)
    lines = out.splitlines()
    assert lines[0] == "Symmetric windows of 7 taps"
    assert next(line for line in lines if line.startswith("hamming")).split()[1:4] == ["-32.4", "-35.6", "0.474"]
    assert "Avoid hann: 24 of 49 taps are dead; only 4.0 of 7 effective taps per axis. Use hamming" in out
    assert "Avoid hamming" not in out
    assert max(map(len, lines)) <= 120


def test_json_holds_what_the_library_computes(capsys):
    found = json.loads(words(capsys, size=9, names=("hamming", "kaiser:8.6", "boxcar"), json=True))
    assert (found["size"], found["sym"]) == (9, True)
    rows = {row["window"]: row for row in found["windows"]}
    for name, window in (("hamming", "hamming"), ("kaiser:8.6", ("kaiser", 8.6)), ("boxcar", "boxcar")):
        taps = get_window(window, 9, dtype=torch.float64)
        figures = window_figures(taps)
        assert rows[name]["sidelobe_db"] == figures.sidelobe_db
        assert rows[name]["effective_taps"] == pytest.approx(figures.effective_taps)
        curve = leakage_curve(torch.outer(taps, taps)[None, None])
        for r in (1 / 8, 1 / 4):
            assert rows[name]["leakage"][f"1/{round(1 / r)}"] == pytest.approx(curve.at(r).item(), rel=1e-9)
    assert found["advice"]


def test_at_three_hardly_anything_is_left(capsys):
    out = words(capsys, size=3)
    assert "Avoid hann: 8 of 9 taps are dead; only 1.0 of 3 effective taps per axis. Use a larger kernel" in out
    assert "Avoid hamming: only 1.3 of 3 effective taps per axis" in out
    assert "no taper helps a flat kernel of this size" in " ".join(out.split())


@pytest.mark.parametrize("size", [1, 2, 3, 4, 31, 33])
def test_the_usual_windows_exist_at_every_size(size):
    for name in default_names(size):
        assert window_values(parse_window(name), (size,)).max() > 0
    assert recommendations([], size) == []


def test_a_kernel_of_one_tap_and_one_beyond_the_common_grid(capsys):
    assert words(capsys, size=1).endswith("A kernel of one tap has nothing to taper.\n")
    assert "Beyond r = 1/4" in words(capsys, size=41)


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_figure_is_written(capsys, tmp_path, suffix):
    out = tmp_path / "new" / f"windows{suffix}"
    words(capsys, names=("hamming", "hann"), out=out)
    assert out.read_bytes()[:4] in (b"<svg", b"\x89PNG")


def test_the_page_holds_tables_advice_figure_and_explorer(capsys, tmp_path):
    words(capsys, size=5, out=tmp_path / "windows.html")
    html = (tmp_path / "windows.html").read_text(encoding="utf-8")
    for part in ("Avoid hann: 16 of 25 taps", "<svg", 'class="explorer"', "−26.8", "<h1>Windows of 5 taps"):
        assert part in html
    words(capsys, size=4, out=tmp_path / "even.html")  # which has no explorer
    assert 'class="explorer"' not in (tmp_path / "even.html").read_text(encoding="utf-8")


def test_one_axis_and_three(capsys, tmp_path):
    found = json.loads(words(capsys, size=401, dims=1, rate=16_000.0, names=("hann", "boxcar"), json=True))
    assert (found["dims"], found["rate"]) == (1, 16_000)
    taps = get_window("hann", 401, dtype=torch.float64)
    curve = leakage_curve(taps[None, None])
    assert found["windows"][0]["leakage"]["1/8"] == pytest.approx(curve.at(1 / 8).item(), rel=1e-9)
    assert found["windows"][0]["dead_taps"] == 2
    assert found["windows"][0]["problem"] is None  # two dead taps of 401 are no loss
    out = words(capsys, size=401, dims=1, rate=16_000.0, names=("hann",), out=tmp_path / "w.html")
    assert "L(2,000 Hz)" in out
    assert "0.0000" not in out
    assert "cycles/pixel" not in out
    page = (tmp_path / "w.html").read_text(encoding="utf-8")
    assert "L(2,000 Hz)" in page
    assert "cycles/pixel" not in page
    assert 'class="explorer"' not in page  # which shows kernels of two axes
    flat = json.loads(words(capsys, size=5, dims=3, names=("boxcar",), json=True))["windows"][0]
    assert flat["leakage"]["1/4"] == pytest.approx(leakage_curve(torch.ones(1, 1, 5, 5, 5)).at(1 / 4).item())


def test_harris_table(capsys):
    out = words(capsys, harris=True)
    assert len([line for line in out.splitlines() if line[:1].isalnum()]) == 1 + 1 + 44 + 1
    assert len(json.loads(words(capsys, harris=True, json=True))["windows"]) == 44


def test_words_for_windows():
    assert parse_window("general_hamming:0.75") == Window("general_hamming", (0.75,))
    assert parse_window("general_gaussian:1,2.5") == Window("general_gaussian", (1.0, 2.5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size=0; allowed"),
        ({"size": 1000}, "size=1000; allowed"),
        ({"size": 33, "dims": 3}, "size=33; allowed: 1 to 31 taps with --dims 3"),
        ({"dims": 4}, "dims=4; allowed: 1, 2, 3"),
        ({"rate": 8000.0}, "rate=8000; allowed: only for kernels of one axis"),
        ({"rate": 0.0, "dims": 1}, "rate=0; allowed: a positive number"),
        ({"names": ("haming",)}, "did you mean 'hamming'"),
        ({"names": ("Kaiser 8",)}, "names='Kaiser 8'; allowed"),
        ({"names": ("kaiser:1-2",)}, "names='kaiser:1-2'; allowed"),
        ({"names": ("kaiser",)}, "it needs parameters"),
        ({"names": ("hann",), "size": 2}, "zero at every tap at size 2"),
        ({"harris": True, "names": ("hann",)}, "harris=True; allowed: without names"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        Windows(**options).run()


def test_a_figure_of_another_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"allowed: a file that ends in \.svg, \.png or \.html"):
        Windows(out=tmp_path / "windows.pdf").run()
