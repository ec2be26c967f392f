"""One process at a time in a folder: the second is told who works there, and a killed one leaves nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from windowconv.errors import InputError
from windowconv.lab.runs.lock import only_one

HOLD = """
import sys, time
from pathlib import Path
from windowconv.lab.runs.lock import only_one
with only_one(Path(sys.argv[1]), "run"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_who_and_where(tmp_path: Path) -> None:
    with only_one(tmp_path / "a", "run"):
        said = rf"a': process {os.getpid()} on .+, since 20.+, works on this run; wait"
        with pytest.raises(InputError, match=said), only_one(tmp_path / "a", "run"):
            pass
        with only_one(tmp_path / "b", "study"):
            pass
    with only_one(tmp_path / "a", "run"):
        pass
    assert not (tmp_path / "a/.lock-holder").exists()


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"process {holder.pid} on"), only_one(tmp_path, "run"):
            pass
        holder.send_signal(signal.SIGKILL)
    with only_one(tmp_path, "run"):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="cannot be written"), only_one(tmp_path / "file/x", "run"):
        pass


def test_a_file_system_without_locks_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr("filelock.FileLock.acquire", without)
    with only_one(tmp_path, "run"), only_one(tmp_path, "run"):
        pass
