"""Figures, verdicts, tables and the picture, from made-up times."""

from pathlib import Path
from typing import Any

import pytest
from benchmarks.bars import judge
from benchmarks.fftconv.bars import BARS
from benchmarks.fftconv.picture import draw
from benchmarks.fftconv.ratios import against_same, against_small, fastest, loss_of_auto, slowdown, spread
from benchmarks.fftconv.tables import page
from benchmarks.markdown import cell, table
from benchmarks.pairs import Ratio
from benchmarks.record import Record

ENVIRONMENT = {
    "device": "a processor",
    "cores": 2,
    "threads": 2,
    "instructions": "none",
    "torch": "2.0",
    "windowconv": "0.1.0",
    "python": "3.11",
}
PAIRS = 7
FASTER = "k=7, C >= 128, 14 to 28 px: times faster than the same k"
OF_SMALL = "k=7, C >= 128, 14 to 28 px: time over torch's 3x3"


def timed(dropped: dict[str, float] | None = None, **times: float) -> dict[str, Any]:
    """Rounds in which every variant took its time exactly."""
    samples = {name.replace("_", " "): [time] * PAIRS for name, time in times.items()}
    return {"samples": samples, "dropped": dropped or {}}


def layer(
    fft: float, direct: float, small: float, kernel: int = 7, auto: str = "fft", channels: int = 256, pixels: int = 14
) -> dict[str, Any]:
    """A layer's row; torch's contiguous layout takes twice as long."""
    shape = {"batch": 32, "channels": channels, "pixels": pixels, "kernel": kernel, "groups": 1}
    ours = {"fft": fft, "pure": 2 * fft}
    row: dict[str, Any] = {"shape": shape, "dtype": "float32", "kind": "training", "auto": auto}
    row["small"] = timed(**ours, fft_contiguous=fft, **{"3x3": small, "3x3 contiguous": 2 * small})
    if kernel != 3:
        row["same"] = timed({"direct contiguous": 2 * direct}, **ours, direct=direct)
    return row


def record(folder: Path, **layers: dict[str, Any]) -> Record:
    """A record on disk of fp32 training steps."""
    made = Record(folder / "fftconv.json", dict(ENVIRONMENT), "digest")
    for name, row in layers.items():
        made.add(f"layers/float32/training/{name}", row)
    return made


def bar(name):
    return next(bar for bar in BARS if bar.name == name)


def test_the_faster_layout_counts():
    row = layer(fft=1.0, direct=10.0, small=2.0)
    assert against_same(row).median == 10
    assert against_small(row).median == 0.5
    assert against_small(row).pairs == 7
    assert fastest(timed(direct=3.0, direct_contiguous=1.0), "direct") == "direct contiguous"
    assert fastest(timed({"direct": 9.0}, direct_contiguous=1.0), "direct") == "direct contiguous"
    assert slowdown(timed(a=1.0, direct=4.0, direct_contiguous=2.0), "a", "direct").median == 0.5


def test_k3_is_its_own_direct():
    row = layer(fft=1.0, direct=0.0, small=2.0, kernel=3)
    assert against_same(row).median == 2


@pytest.mark.parametrize(
    ("auto", "direct", "loss"), [("fft", 10.0, 1.0), ("direct", 10.0, 10.0), ("direct", 0.5, 1.0), ("fft", 0.5, 2.0)]
)
def test_loss_of_auto(auto, direct, loss):
    lost = loss_of_auto(layer(fft=1.0, direct=direct, small=2.0, auto=auto))
    assert (lost.low, lost.median, lost.high) == (loss, loss, loss)


@pytest.mark.parametrize(
    ("directs", "verdict", "worst"),
    [((10.0, 9.0), "met", 9.0), ((10.0, 7.0), "missed", 7.0), ((1.0, 20.0), "missed", 1.0)],
)
def test_one_row_can_miss_a_bar(tmp_path, directs, verdict, worst):
    rows = {f"row{i}": layer(1.0, direct, 2.0, channels=128 * (i + 1)) for i, direct in enumerate(directs)}
    got = judge(bar(FASTER), record(tmp_path, **rows))
    assert got is not None
    assert (got.verdict, got.rows, got.ratio.median) == (verdict, 2, worst)
    assert got.margin == pytest.approx(worst / 8)
    assert len(got.others) == sum(direct < 8 for direct in directs)


def test_undecided(tmp_path):
    row = layer(1.0, 10.0, 2.0)
    row["small"]["samples"]["fft"] = [1.0, 1.2, 1.4, 1.2, 1.3, 1.4, 1.5]
    got = judge(bar(OF_SMALL), record(tmp_path, one=row))
    assert got is not None
    assert got.verdict == "undecided"


def test_bars_look_at_their_rows_only(tmp_path):
    made = record(tmp_path, other=layer(1.0, 1.0, 0.1, channels=64), large=layer(1.0, 1.0, 0.1, pixels=56))
    assert judge(bar(FASTER), made) is None
    assert judge(bar("k=7, C = 64: time over torch's 3x3"), made) is not None


def test_errors_networks_and_memory(tmp_path):
    made = record(tmp_path)
    shape = layer(1, 1, 1)["shape"]
    made.add("errors/float32/a", {"shape": shape, "fft": {"output": 3e-7}, "direct": {"output": 6e-7}})
    made.add("errors/bfloat16/a", {"shape": shape, "fft": {"output": 4e-3}, "direct": {"output": 3e-3}})
    times = {"small": timed(auto=0.6, **{"3x3": 1.0}), "same": timed(auto=0.6, direct=6.0)}
    made.add("networks/small", {"name": "small", **times})
    made.add("memory/small", {"name": "small", "bytes": {"auto": 200, "direct": 120, "direct contiguous": 100}})
    verdicts = {bar.name: got.verdict for bar in BARS if (got := judge(bar, made)) is not None}
    assert verdicts == {
        "fp32: relative error": "met",
        "bf16: error over torch's": "missed",
        "the paper's small network, 7x7 Hamming: time over 3x3": "met",
        "peak memory of a training step: over the direct one's": "met",
    }
    text = page(made)
    assert "| small | auto | 0 | 2.00 |" in text
    assert "| auto | 600 | 0.60 (0.60 to 0.60; n=7) | 10.0x (10.0 to 10.0; n=7) |" in text


def test_page(tmp_path):
    rows = {f"k{k}": layer(0.01, 0.01 * k, 0.02, kernel=k) for k in (3, 5, 7)}
    text = page(record(tmp_path, **rows), ["Something is left out."])
    assert "a processor, 2 cores, 2 threads, none; torch 2.0, windowconv 0.1.0, sources digest" in text
    assert "Something is left out." in text
    assert f"| {FASTER} | >= 8 | **missed** | 1 | 7 | 7 | 0.88 | 32x256, 14 px, k=7 |" in text
    assert f"- {FASTER} (limit 8): 32x256, 14 px, k=7 (missed)" in text
    assert "| 32x256, 14 px, k=5 | 10.0 | 10.0 | 5.0x (5.0 to 5.0; n=7) | 0.50 (0.50 to 0.50; n=7) |" in text
    assert "Scaling" not in text


def test_page_of_nothing(tmp_path):
    assert "Not measured: k=7" in page(record(tmp_path))


def test_picture(tmp_path):
    made = record(tmp_path, **{f"k{k}": layer(0.01, 0.01 * k, 0.02, kernel=k) for k in (3, 5, 7)})
    assert draw(made, tmp_path / "k.png")
    assert (tmp_path / "k.png").read_bytes().startswith(b"\x89PNG")
    assert not draw(record(tmp_path, one=layer(1, 1, 1)), tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_disturbed_rows_are_named(tmp_path):
    quiet, disturbed = layer(1.0, 10.0, 2.0), layer(1.0, 10.0, 2.0)
    disturbed["same"]["samples"]["direct"][3] = 25.0
    assert (spread(quiet), spread(disturbed), spread({"bytes": {}})) == (1.0, 2.5, 1.0)
    text = page(record(tmp_path, quiet=quiet, disturbed=disturbed))
    assert "1 of 2 rows were disturbed" in text
    assert "brackets: layers/float32/training/disturbed (2.5)." in text


def test_cells():
    assert table(("a", "b"), []) == []
    assert table(("a", "b"), [("1", "2")]) == ["| a | b |\n| --- | --- |\n| 1 | 2 |"]
    assert cell(Ratio(8.04, 7.9, 8.2, 9, 1.0, 2.0), times=True) == "8.0x (7.9 to 8.2; n=9)"
