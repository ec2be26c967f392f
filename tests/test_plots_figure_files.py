"""A page's figures become files with names that say where they stand."""

from pathlib import Path

from windowconv import plots
from windowconv.report import Figure, Page, Section, Text


def test_each_figure_is_written_in_each_format(tmp_path: Path) -> None:
    with plots.figure_files(tmp_path / "figures", ("pdf", "svg")) as write:
        curves = [plots.svg(plots.accuracy_by_arm({"3x3": [90.0, 91.0], "7x7": [level]})) for level in (92.0, 93.0)]
        blocks = [Figure(curves[0], "c", "alt"), Text("between"), Figure(curves[1], "c", "alt", anchor="run-3x3")]
        paths = write(Page("t", "l", [Section("Results, all", blocks)]))
    names = ["results-all-1.pdf", "results-all-1.svg", "run-3x3.pdf", "run-3x3.svg"]
    assert [path.relative_to(tmp_path / "figures").as_posix() for path in paths] == names
    assert paths[1].read_text() == curves[0]
    assert paths[2].read_bytes().startswith(b"%PDF")
    assert paths[0].read_bytes() != paths[2].read_bytes()


def test_no_format_means_no_file(tmp_path: Path) -> None:
    with plots.figure_files(tmp_path / "figures", ()) as write:
        drawn = plots.svg(plots.accuracy_by_arm({"3x3": [90.0]}))
        assert write(Page("t", "l", [Section("s", [Figure(drawn, "c", "alt")])])) == []
    assert not (tmp_path / "figures").exists()


def test_a_pdf_is_the_same_each_time() -> None:
    first, again = (plots.pdf(plots.accuracy_by_arm({"3x3": [90.0]})) for _ in range(2))
    assert first == again
