"""The command line: quick help, and one line with exit code 2 for input that cannot be used."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from windowconv.errors import InputError
from windowconv.lab.commands import run_and_report
from windowconv.lab.commands.compare import Compare

TRAIN = "train --data gratings --image-size 12 --train-images 40 --test-images 20 --epochs 1 --width 2 --depth 2"
COMPARE = TRAIN.replace("train ", "compare --arms 3x3 --seeds 1 ", 1)
Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """No images and no network."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("socket.getaddrinfo", unreachable)
    monkeypatch.delenv("WINDOWCONV_DATA", raising=False)


@pytest.mark.parametrize("words", [["--help"], ["compare", "--help"], ["train", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    heavy = ("torch", "numpy", "scipy", "matplotlib", "torchvision", "PIL", "pyarrow")
    script = f"""
import sys
from windowconv.cli import main
try:
    code = main({words!r})
except SystemExit as left:
    code = left.code
print("MODULES", code, *[name for name in {heavy!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    shown, _, tail = done.stdout.rpartition("MODULES")
    assert tail.split() == ["0"]
    assert shown.strip()
    if words == ["--help"]:
        for command in ("compare", "evaluate", "predict", "train"):
            assert command in shown


def test_every_registered_command_has_help(shell: Shell) -> None:
    for name in ("compare", "evaluate", "predict", "train"):
        code, out, _ = shell(f"{name} --help")
        assert code == 0
        assert f"usage: windowconv {name}" in out


@pytest.mark.parametrize("words", ["compare --epochz 3", "train --epochs many", "nothing", "", "evaluate"])
def test_what_cannot_be_parsed_leaves_with_2(words: str, shell: Shell) -> None:
    code, out, err = shell(words)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert err


BAD = [
    (COMPARE + " --arms 7x7-haming", "did you mean 'hamming'"),
    (COMPARE + " --arms 3x3 3x3", "each once"),
    (COMPARE + " --arms 7x7-kaiser", "kaiser"),
    (COMPARE + " --arms 4x4", "odd size"),
    (COMPARE + " --arms", "arms="),
    (COMPARE + " --seeds 0", "seeds=0; allowed: 1 or more"),
    (COMPARE + " --depth 1", "depth=1; allowed: 2 or more"),
    (COMPARE + " --epochs 0", "epochs=0; allowed: 1 or more"),
    (COMPARE + " --lr nan", "lr=nan; allowed: a finite number"),
    (COMPARE + " --milestones 2", "milestones="),
    (COMPARE + " --threads 0", "threads=0; allowed: 1 or more"),
    (COMPARE + " --device gpu", "device='gpu'; allowed: auto, cpu, cuda"),
    (COMPARE + " --device meta", "device='meta', which holds no numbers; allowed: auto, cpu"),
    (COMPARE + " --train-images 8001", "train-images=8001; allowed: 1 to 8000, what gratings has"),
    (COMPARE + " --image-size 0", "image-size=0"),
    (COMPARE + " --image-size 2", "3x3 or more; pass a larger --image-size"),
    (TRAIN + " --arm 5x5-hamm1ng", "arm='5x5-hamm1ng'"),
    (TRAIN + " --seed -1", "seed=-1"),
    ("compare --data grating", "did you mean 'gratings'"),
    ("compare --data ./none", "there is no such folder"),
    ("compare --data cifar10 --data-root none", "CIFAR-10 was not found in none and could not be downloaded"),
    ("evaluate none", "run='none' is not a run folder (it has no run.json)"),
    ("predict none image.png", "run='none' is not a run folder"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_one_line_and_leaves_nothing(words: str, message: str, shell: Shell, tmp_path: Path) -> None:
    out_option = ["--out", tmp_path / "out"] if words.startswith(("compare", "train")) else []
    code, out, err = shell(words, *out_option)
    lines = [line for line in err.splitlines() if "downloading it into" not in line]
    assert (code, out, len(lines)) == (2, "", 1), err
    assert lines[0].startswith("windowconv: ")
    assert message in lines[0]
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "study.json"]


@pytest.mark.parametrize("words", [TRAIN, COMPARE])
def test_an_output_folder_that_cannot_be_written(words: str, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file/x", "/dev/null/x"):
        code, out, err = shell(words, "--out", place)
        assert (code, out, len(err.splitlines())) == (2, "", 1), err
        assert str(place) in err
        assert "cannot be written" in err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_loss_that_is_not_finite(shell: Shell, tmp_path: Path) -> None:
    code, _, err = shell(TRAIN + " --lr 1e30 --out", tmp_path / "run")
    assert code == 2
    assert err.splitlines()[-1].startswith("windowconv: the ")
    assert err.endswith("train with a smaller --lr (there is no checkpoint yet)\n")


@pytest.mark.parametrize("full", ["model.safetensors", "test.json", "study.json", "report.html", "run.json"])
def test_a_full_disk_while_saving(full: str, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def write_bytes(self: Path, data: bytes) -> int:
        if full in self.name:
            write(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    if full != "report.html":  # whose figures take seconds
        monkeypatch.setattr(run_and_report, "write_report", lambda study, *_: study.folder / "report.html")
    code, out, err = shell(COMPARE + " --out", tmp_path / "out")
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert "Traceback" not in err
    assert last.startswith("windowconv: ")
    assert full in last
    assert os.strerror(errno.ENOSPC) in last
    assert not [p for p in tmp_path.rglob("*") if full in p.name]
    monkeypatch.setattr(Path, "write_bytes", write)  # with room again, the same command goes on
    assert shell(COMPARE + " --out", tmp_path / "out")[0] == 0


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """On a file system of 64 kB of its own, where this user may mount one."""
    unshare = shutil.which("unshare")
    script = f"mount -t tmpfs -o size=64k none {tmp_path} && exec {sys.executable} -m windowconv.cli {TRAIN} --width 64"
    command = [unshare or "unshare", "--mount", "--map-root-user", "sh", "-c", f"{script} --out {tmp_path}/run"]
    probe = [*command[:-1], f"mount -t tmpfs -o size=64k none {tmp_path}"]
    if unshare is None or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("needs unshare, and leave to mount")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("windowconv: ")
    assert os.strerror(errno.ENOSPC) in last
    assert "Traceback" not in done.stderr


def test_a_run_folder_of_another_schema_version(shell: Shell, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert shell(TRAIN + " --out", run)[0] == 0
    record = run / "run.json"
    record.write_text(record.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    for words in (["evaluate", run], ["predict", run, record], [*TRAIN.split(), "--out", run]):
        code, out, err = shell("", *words)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert "schema version 2, this version of windowconv reads 1; use the version that wrote it" in err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [(InputError("x=1; allowed: 2"), 2, "windowconv: x=1; allowed: 2\n"), (KeyboardInterrupt(), 130, "continue\n")],
)
def test_errors_become_exit_codes(
    error: BaseException, code: int, line: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> None:
        raise error

    monkeypatch.setattr(Compare, "run", fails)
    given, _, err = shell("compare")
    assert given == code
    assert err.endswith(line)


def test_bugs_keep_their_traceback(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Compare, "run", lambda _: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        shell("compare")


@pytest.mark.parametrize("words", ["recipes", "--help", "recipes cifar10-paper"])
def test_output_that_nobody_reads_ends_it_quietly(words: str) -> None:
    command = [sys.executable, "-m", "windowconv.cli", *words.split()]
    reading, writing = os.pipe()
    os.close(reading)  # before anything is written, as `| true` may do
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(("variable", "value"), [("GOMP_SPINCOUNT", "7"), ("OMP_WAIT_POLICY", "active"), ("", "")])
def test_threads_that_wait_sleep_soon_unless_the_user_says_otherwise(
    variable: str, value: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "GOMP_SPINCOUNT": "", "OMP_WAIT_POLICY": ""})
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        del os.environ[name]
    if variable:
        os.environ[variable] = value
    assert shell("--version")[0] == 0
    assert os.environ.get("GOMP_SPINCOUNT") == {"GOMP_SPINCOUNT": "7", "OMP_WAIT_POLICY": None, "": "10000"}[variable]


@pytest.mark.parametrize(
    ("number", "file", "message"),
    [
        (errno.EACCES, "runs/a", "runs/a: Permission denied"),
        (errno.ENOSPC, None, "No space left on device"),
        (errno.EROFS, "runs", "runs: Read-only file system"),
    ],
)
def test_a_disk_that_gives_way_is_one_line(
    number: int, file: str | None, message: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: Any) -> None:
        raise OSError(number, os.strerror(number), file) if file else OSError(number, os.strerror(number))

    monkeypatch.setattr(Compare, "run", gone)
    assert shell("compare") == (2, "", f"windowconv: {message}; finished work is kept\n")
