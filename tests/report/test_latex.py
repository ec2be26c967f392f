"""LaTeX compiles as it is, whatever stands in a table; wide tables also come with fewer columns."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from windowconv.report import Column, Link, Table, as_latex, latex_file
from windowconv.report.latex import CHARACTERS, LETTERS, latex

NARROW = Table(
    "Accuracy & more",
    ["arm", Column("accuracy (%)", ".2f"), Column("minus 3x3", numeric=True), "run"],
    [
        ["3x3", 93.214, None, Link("3x3-seed0", "#run-3x3-seed0")],
        ["7x7_a|b", -1.5, "−1.50 [−2.00, −1.00]", Link("b", "b/run.json")],
    ],
    note="100% of 5 seeds.",
)
WIDE = Table("Results", ["arm", *(f"column {i}" for i in range(2, 10))], [["3x3", *range(2, 10)]])


def test_a_table_has_a_caption_a_label_and_its_note_below() -> None:
    text = as_latex(NARROW)
    assert r"\caption{Accuracy \& more}" in text
    assert r"\label{tab:accuracy-more}" in text
    assert r"\footnotesize 100\% of 5 seeds." in text
    assert r"\begin{tabular}{lrrl}" in text
    assert r"arm & accuracy (\%) & minus 3x3 & run \\" in text
    assert r"3x3 & 93.21 & -- & 3x3-seed0 \\" in text
    assert r"7x7\_a\textbar{}b & $-$1.50 & $-$1.50 [$-$2.00, $-$1.00] & b \\" in text
    assert "resizebox" not in text


def test_a_wide_table_is_also_there_with_its_first_six_columns() -> None:
    text = latex_file([NARROW, WIDE])
    assert re.findall(r"\\label\{(.*)\}", text) == ["tab:accuracy-more", "tab:results", "tab:results-compact"]
    whole, small = text.split(r"\label{tab:results")[1:]
    assert r"3x3 & 2 & 3 & 4 & 5 & 6 & 7 & 8 & 9 \\" in whole
    assert r"\resizebox{\textwidth}" in whole
    assert r"3x3 & 2 & 3 & 4 & 5 & 6 \\" in small
    assert text.startswith("% ")
    assert {"booktabs", "graphicx"} == set(re.findall(r"usepackage\{(\w+)\}", text))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX engine is installed")
def test_it_compiles(tmp_path: Path) -> None:
    every = "".join([*map(chr, range(32, 127)), *CHARACTERS, LETTERS, "中☃"])
    odd = Table(every, ["a", every], [["x", every], ["[2]", "* [x]"]], note=every)
    (tmp_path / "tables.tex").write_text(latex_file([NARROW, WIDE, odd]), encoding="utf-8")
    body = r"\usepackage{booktabs}\usepackage{graphicx}\begin{document}\input{tables}\end{document}"
    (tmp_path / "paper.tex").write_text(rf"\documentclass{{article}}{body}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=100)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in (tmp_path / "paper.log").read_text(errors="replace")
    assert (tmp_path / "paper.pdf").stat().st_size


def test_letters_that_latex_lacks_become_their_code() -> None:
    assert latex("größer – 中\n") == "größer -- [U+4E2D] "
