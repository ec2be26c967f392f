"""The explorer's script computes what the library computes, and its page is whole, labelled and offline."""

import json
import re
import shutil
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from windowconv import report
from windowconv.errors import InputError
from windowconv.report import Explorer, Page, Section, Text, render
from windowconv.spectra.curve import leakage_curve, power_spectrum
from windowconv.windows import Window, window_values

SCRIPTS = Path(report.__file__).parent
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="needs node")
WINDOWS = {  # the page's name and parameter -> SciPy's at a size
    ("boxcar", 0): lambda size: Window("boxcar"),
    ("cosine", 0): lambda size: Window("cosine"),
    ("hamming", 0): lambda size: Window("hamming"),
    ("hann", 0): lambda size: Window("hann"),
    ("blackman", 0): lambda size: Window("blackman"),
    ("kaiser", 0): lambda size: Window("kaiser", (0,)),
    ("kaiser", 8.6): lambda size: Window("kaiser", (8.6,)),
    ("kaiser", 14): lambda size: Window("kaiser", (14,)),
    ("gaussian", 0.4): lambda size: Window("gaussian", (0.4 * (size - 1) / 2,)),
}


def node(code: str) -> Any:
    """What `code`, after the explorer's numbers, prints as JSON."""
    numbers = (SCRIPTS / "explorer_numbers.js").read_text(encoding="utf-8")
    command = [NODE or "node", "--input-type=module", "-"]
    done = subprocess.run(command, input=f"{numbers}\n{code}", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def base(kind: str, size: int, frequency: float, orientation: float, spread: float) -> np.ndarray:
    """A base kernel by its formula: rows from the top, the angle counter-clockwise."""
    offset = np.arange(size) - (size - 1) / 2
    x, y = np.meshgrid(offset, -offset)
    along = x * np.cos(np.radians(orientation)) + y * np.sin(np.radians(orientation))
    return {
        "flat": np.ones((size, size)),
        "grating": np.cos(2 * np.pi * frequency * along),
        "derivative": -along * np.exp(-(x**2 + y**2) / (2 * spread**2)),
    }[kind]


@needs_node
def test_windows_are_scipys():
    sizes = (3, 5, 7, 15, 31)
    cases = [[name, size, parameter] for (name, parameter), size in product(WINDOWS, sizes)]
    code = "const [cases] = %s; console.log(JSON.stringify(cases.map((c) => explorerNumbers.windowTaps(...c))));"
    found = node(code % json.dumps([cases]))
    for (name, size, parameter), taps in zip(cases, found, strict=True):
        expected = window_values(WINDOWS[name, parameter](size), (size,))
        np.testing.assert_allclose(taps, expected, atol=1e-12, err_msg=f"{name} {size}")


@needs_node
def test_leakage_and_spectra_are_those_of_the_library():
    cases = [
        {"kind": kind, "size": size, "window": window, "frequency": f, "orientation": angle, "spread": spread}
        for kind, size, window in product(Explorer.BASES, (3, 7, 31), ("boxcar", "hamming", "blackman"))
        for f, angle, spread in ((0.25, 0, 1.5), (0.140625, 35, 0.7), (0.5, 90, 4))
    ]
    code = """
const answers = CASES.map((c) => {
  const n = explorerNumbers, kernel = n.baseKernel(c.kind, c.size, c);
  const weight = n.windowed(kernel, n.windowTaps(c.window, c.size, 0)), power = n.powerSpectrum(weight, c.size);
  const energy = power.reduce((a, b) => a + b, 0);
  return { weight, energy, corner: Array.from(power.slice(0, 70)), ...n.leakage(power) };
});
console.log(JSON.stringify(answers));"""
    for case, found in zip(cases, node(code.replace("CASES", json.dumps(cases))), strict=True):
        size = case["size"]
        taps = window_values(Window(case["window"]), (size,))
        weight = base(case["kind"], size, case["frequency"], case["orientation"], case["spread"]) * np.outer(taps, taps)
        np.testing.assert_allclose(np.reshape(found["weight"], (size, size)), weight, atol=1e-12)
        tensor = torch.tensor(weight)[None, None]
        power = power_spectrum(tensor)[0].flatten().numpy()
        np.testing.assert_allclose(found["corner"], power[:70], atol=1e-9 * power.max())
        assert found["energy"] == pytest.approx(power.sum())
        curve = leakage_curve(tensor)
        np.testing.assert_allclose(found["curve"], curve.leakage[0].numpy(), atol=1e-9, err_msg=str(case))
        np.testing.assert_allclose(np.abs(found["peak"]), curve.peak[0].abs().numpy(), atol=1e-12)


@needs_node
def test_a_window_s_spectrum_is_its_transform():
    taps = window_values(Window("hamming"), (7,))
    found = node(f"console.log(JSON.stringify(explorerNumbers.windowDecibels({taps.tolist()}, 33, -80)));")
    magnitude = np.abs(np.fft.rfft(taps, 64))
    np.testing.assert_allclose(found, np.maximum(20 * np.log10(magnitude / magnitude[0]), -80), atol=1e-9)


NOTHING_LEFT = [("hann", "derivative", 3)]  # only the middle tap, which is 0
STAND_IN = """
const made = {}, handlers = {};
const element = (name) => made[name] ??= {
  attributes: {}, setAttribute(key, value) { this.attributes[key] = value; },
  getContext: () => ({ putImageData() {} }), querySelector: (below) => element(`${name} ${below}`),
};
const control = (name, tagName, value) => ({
  name, tagName, value, setAttribute() {}, get selectedOptions() { return [{ textContent: this.value }]; },
});
const elements = [
  control("window", "SELECT", "hamming"), control("beta", "INPUT", "5"), control("width", "INPUT", "0.5"),
  control("size", "INPUT", "7"), control("base", "SELECT", "grating"), control("frequency", "INPUT", "0.25"),
  control("orientation", "INPUT", "0"), control("spread", "INPUT", "1.5"),
];
for (const one of [...elements]) elements[one.name] = one;
const form = { elements, addEventListener: (type, handler) => { handlers[type] = handler; } };
const figure = { querySelector: (what) => (what === "form" ? form : element(what)) };
globalThis.document = { querySelectorAll: () => [figure] };
globalThis.getComputedStyle = () => ({ getPropertyValue: () => "#000000, #808080, #ffffff" });
globalThis.ImageData = class { constructor(w, h) { this.data = new Uint8ClampedArray(4 * w * h); } };
globalThis.requestAnimationFrame = (draw) => draw();
"""


@needs_node
def test_every_choice_is_drawn_and_read_off():
    """The page's script against stand-ins for the document: all windows and kernels, at the ends of the sliders."""
    code = """
const answers = [];
for (const window of WINDOWS) for (const base of BASES) for (const end of [0, 1]) {
  elements.window.value = window;
  elements.base.value = base;
  for (const [name, ends] of Object.entries(RANGES)) elements[name].value = String(ends[end]);
  handlers.input();
  const charts = ["leakage", "spectrum"].map((name) => made[`[data-chart="${name}"]`].innerHTML);
  answers.push({
    window, base, size: Number(elements.size.value), text: made[".readout"].textContent, charts: charts.join(""),
    eighth: made['[data-read="after-8"]'].textContent, hidden: made['[data-control="beta"]'].hidden,
  });
}
console.log(JSON.stringify(answers));"""
    for name in ("WINDOWS", "BASES"):
        code = code.replace(name, json.dumps(list(getattr(Explorer, name))))
    code = code.replace("RANGES", json.dumps(Explorer.RANGES))
    script = (SCRIPTS / "explorer.js").read_text(encoding="utf-8")
    answers = node(STAND_IN + script + code)
    assert len(answers) == 2 * len(Explorer.WINDOWS) * len(Explorer.BASES)
    for answer in answers:
        assert not re.search("NaN|undefined|Infinity", answer["text"] + answer["charts"]), answer
        assert answer["hidden"] == (answer["window"] != "kaiser")
        if (answer["window"], answer["base"], answer["size"]) in NOTHING_LEFT:
            assert answer["eighth"] == "–"
        else:
            assert 0 <= float(answer["eighth"]) <= 1
    flat = next(a for a in answers if (a["window"], a["base"], a["size"]) == ("hamming", "flat", 31))
    hamming = torch.tensor(window_values(Window("hamming"), (31, 31)))[None, None]
    assert flat["eighth"] == f"{leakage_curve(hamming).at(1 / 8).item():.4f}"


@pytest.fixture(scope="module")
def html() -> str:
    blocks = [Explorer("One <b>."), Text("Between."), Explorer("Two.", window="kaiser", beta=8.6, size=31, base="flat")]
    return render(Page("Try", "Choose.", [Section("Windows", blocks)]))


def test_each_control_has_its_label_and_ids_are_unique(html: str):
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    controls = re.findall(r'<(?:select|input)[^>]* id="([^"]+)"', html)
    assert len(controls) == 2 * 8
    assert set(re.findall(r'<label for="([^"]+)"', html)) == set(controls)


def test_it_starts_as_said_and_is_escaped(html: str):
    second = html[html.index('id="section-windows-explorer-3"') :]
    assert '<option value="kaiser" selected>' in second
    assert re.search(r'name="beta"[^>]* value="8.6"', second)
    assert re.search(r'name="size"[^>]* value="31"', second)
    assert "One &lt;b&gt;." in html


def test_scripts_come_once_and_only_where_they_are_needed(html: str):
    assert html.count("const explorerNumbers") == 1
    assert html.count("<script>") == 1
    assert not re.search(r"https?://|@import|\bfetch\(|XMLHttpRequest|import\(", html)
    plain = render(Page("t", "l", [Section("s", [Text("x")])]))
    assert "explorer" not in plain


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": "haming"}, "window='haming'; allowed: .*did you mean 'hamming'"),
        ({"base": "gabor"}, "base='gabor'; allowed"),
        ({"size": 8}, "size=8; allowed: an odd"),
        ({"size": 33}, "size=33; allowed: 3 to 31"),
        ({"beta": -1.0}, "beta=-1.0; allowed: 0 to 14"),
        ({"frequency": float("nan")}, "frequency=nan; allowed"),
        ({"orientation": 190.0}, "orientation=190"),
        ({"spread": 0.0}, "spread=0"),
        ({"width": 0.0}, "width=0"),
    ],
)
def test_what_cannot_be_chosen_is_named(options, message):
    with pytest.raises(InputError, match=message):
        Explorer("c", **options)
