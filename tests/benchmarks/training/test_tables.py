"""The page from made-up rows; and a run that was cut, repeated or partly failed."""

from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks.record import Job, Record
from benchmarks.training.environment import describe
from benchmarks.training.epoch import PARTS
from benchmarks.training.tables import bars, page

from benchmarks.training import __main__ as training

ENVIRONMENT = {
    "device": "a processor",
    "processor": "a processor",
    "cores": 2,
    "threads": 2,
    "instructions": "avx2",
    "torch": "2.0",
    "torchvision": "0.2",
    "windowconv": "0.1.0",
    "python": "3.11",
}
ROUNDS = 7


def speed(ours: float, bare: float, **more: float) -> dict[str, Any]:
    """A row whose loops took these seconds an image in all rounds."""
    given = {"ours": ours, "bare": bare, "torchvision 0": 4 * bare, "loader 0": 2 * bare, **more}
    samples = {name: [seconds] * ROUNDS for name, seconds in given.items()}
    return {"batch": 64, "steps": 20, "fft": 3, "layers": 4, "samples": samples, "dropped": {}}


def record(folder, rows: dict[str, dict[str, Any]], **environment: Any) -> Record:
    made = Record(folder / "training.json", {**ENVIRONMENT, **environment}, "digest")
    for key, row in rows.items():
        made.add(key, row)
    return made


def test_page(tmp_path):
    loader = {"batch": 64, "images": 9, "samples": {"ours": [1e-6] * 7, "torchvision 2": [2e-5] * 7}, "dropped": {}}
    whole = {"whole": [20.0], **{name: [20.0 / len(PARTS)] for name in PARTS}}
    rows = {
        "loader/32/64": loader,
        "speed/cifar10-small/3x3/fp32/eager": speed(0.00101, 0.001),
        "speed/cifar10-small/7x7/fp32/compiled": speed(0.00125, 0.001),
        "speed/cifar10-paper/7x7/bf16/eager": {"batch": 32, "fft": 0, "layers": 6, "too_slow_s": 123.4},
        "speed/resnet18/7x7/bf16/eager": speed(0.1, 0.1, streamed=0.2),
        "epoch/3x3": {"images": [60_000, 10_000], "seconds": whole},
        "memory/cifar10-small/3x3/fp32/eager": {
            loop: {"before": 400 * 2**20, "peak": 500 * 2**20} for loop in ("ours", "bare")
        },
        "memory/cifar10-paper/7x7/bf16/eager": {},
    }
    text = page(record(tmp_path, rows))
    assert "a processor, 2 cores, 2 threads, avx2; torch 2.0, torchvision 0.2, windowconv 0.1.0, sources dig" in text
    assert "8 rows. Made by `python -m benchmarks.training`." in text
    name = "small network, cifar10-small"
    assert f"| our loop, {name}: of bare images/s | >= 0.95 | **missed** | 2 | 0.800 (0.800 to 0.800; n=7) |" in text
    assert f"- our loop, {name}: of bare images/s (at least 0.95): 7x7, fp32, compiled (missed)" in text
    assert "| our loader: times torchvision's images/s | >= 10 | **met** | 1 | 20.000" in text
    eager = f"| {name} | 3x3 | fp32 | eager |"
    assert f"{eager} 20 x 64 | 3 of 4 | 990 | 1,000 | 0.990 (0.990 to 0.990; n=7) | met |" in text
    assert f"{eager} 990 | 250 | 0 | 3.96 (3.96 to 3.96; n=7) | 3.00 (3.00 to 3.00; n=7) |" in text
    assert "| ResNet-18 at 224 pixels | 7x7 | bf16 | eager | 5* | 2 | 0 | 2.00 (2.00 to 2.00; n=7) |" in text
    assert "take too long (about so long in brackets): cifar10-paper/7x7/bf16/eager (123 s)." in text
    assert "| 64 | 1,000,000 | 50,000 | 2 | 20.0x (20.0 to 20.0; n=7) | met |" in text
    assert f"{eager} 500 | 500 | 1.00 | 400 |" in text
    assert "| 3x3 | 20.0 (20.0 to 20.0; n=1) | 16.7% |" in text
    assert "60,000 images of 28x28, evaluated on 10,000" in text
    assert "disturbed" not in text


def test_verdicts(tmp_path):
    row = speed(0.00100, 0.001)
    row["samples"]["ours"] = [0.00100, 0.00103, 0.00106, 0.00104, 0.00107, 0.00108, 0.00101]
    text = page(record(tmp_path, {"speed/cifar10-small/3x3/fp32/eager": row}))
    assert "**undecided**" in text
    assert [bar.limit for bar in bars(record(tmp_path, {}))] == [10.0]


def test_disturbed_rows_are_named(tmp_path):
    row = speed(0.001, 0.001)
    row["samples"]["bare"][3] = 0.002
    text = page(record(tmp_path, {"speed/cifar10-small/3x3/fp32/eager": row}))
    assert "1 of 1 rows were disturbed" in text
    assert "brackets: speed/cifar10-small/3x3/fp32/eager (2.0)." in text


def test_page_of_nothing_and_of_another_device(tmp_path):
    text = page(record(tmp_path, {}, device="a GPU"))
    assert "a GPU, a processor, 2 cores" in text
    assert "benchmarks.training --device cuda" in text
    assert "##" not in text


def test_environment():
    import torch

    here = describe(torch.device("cpu"))
    assert here["device"] == here["processor"]
    assert set(ENVIRONMENT) <= set(here)


# --- going on ---------------------------------------------------------------------------------------------------------


def job(key, calls, fails=False):
    def measure():
        calls.append(key)
        if fails:
            raise RuntimeError("no compiler")
        return speed(0.001, 0.001)

    return Job(key, measure)


def run(path, jobs, again=False):
    said = []
    made = Record(path, ENVIRONMENT, "digest") if not path.exists() else training.open_record(path, ENVIRONMENT, "x")[0]
    failed = training.measure(jobs, made, again, said.append)
    return made, failed, said


@pytest.mark.parametrize(("again", "expected"), [(False, ["a", "b"]), (True, ["a", "a", "b"])])
def test_rows_are_kept_unless_again(tmp_path, again, expected):
    path, calls = tmp_path / "training.json", []
    run(path, [job("a", calls)])
    made, _, said = run(path, [job("a", calls), job("b", calls)], again)
    assert calls == expected
    assert list(made.rows) == ["a", "b"]
    assert " b  (" in said[-1]


def test_a_row_that_fails_does_not_end_the_run(tmp_path):
    path, calls = tmp_path / "training.json", []
    made, failed, said = run(path, [job("a", calls, fails=True), job("b", calls)])
    assert failed == ["a"]
    assert list(made.rows) == ["b"]
    assert any("no compiler" in line for line in said)


def test_command(tmp_path, monkeypatch, capsys):
    calls = []
    keys = ("speed/cifar10-small/3x3/fp32/eager", "speed/cifar10-small/7x7/fp32/eager")

    def jobs(device, effort, quick, compiled):
        assert (effort.rounds, effort.seconds, quick, compiled) == (3, 0.5, False, True)
        return [job(key, calls) for key in keys]

    monkeypatch.setattr(training, "PARTS", (SimpleNamespace(jobs=jobs),))
    words = ["benchmarks.training", "--rounds", "3", "--seconds", "0.5", "--compiled", "--out", str(tmp_path)]
    for more in (["--only", "/7x7/.*fp32"], [], [], ["--tables"]):
        monkeypatch.setattr("sys.argv", [*words, *more])
        assert training.main() == 0
    assert calls == [keys[1], keys[0]]
    assert "going on from 1 rows" in capsys.readouterr().out
    assert "| small network, cifar10-small | 7x7 |" in (tmp_path / "training.md").read_text()
