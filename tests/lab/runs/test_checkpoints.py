"""Checkpoints: whole or not at all, the newest few, damaged ones passed over."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from windowconv.errors import InputError
from windowconv.lab.runs import checkpoints
from windowconv.lab.runs.checkpoints import (
    Checkpoint,
    load_checkpoint,
    newest_step,
    remove_checkpoints,
    save_checkpoint,
)


def make(step: int) -> Checkpoint:
    weights = {"a": torch.arange(4.0) * step, "n": torch.tensor(step)}
    return Checkpoint(step, {"model": weights, "optimizer": {}}, {"epoch": 1, "totals": [0.1 + 0.2, 1e-17]})


def equal(found: Checkpoint | None, step: int) -> bool:
    wanted = make(step)
    assert found is not None
    same = {
        name: all(torch.equal(t, found.tensors[name][k]) for k, t in ts.items()) for name, ts in wanted.tensors.items()
    }
    return found.step == step and all(same.values()) and dict(found.state) == dict(wanted.state)


def test_what_is_saved_is_loaded_to_the_bit(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    assert newest_step(tmp_path) is None
    assert save_checkpoint(tmp_path, make(7)) == tmp_path / "checkpoints/step-7"
    assert equal(load_checkpoint(tmp_path), 7)
    assert newest_step(tmp_path) == 7
    names = sorted(p.name for p in (tmp_path / "checkpoints/step-7").iterdir())
    assert names == ["model.safetensors", "optimizer.safetensors", "state.json"]


def test_the_newest_few_are_kept_by_number(tmp_path: Path) -> None:
    for step in (8, 9, 10, 100):
        save_checkpoint(tmp_path, make(step), keep=2)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["step-10", "step-100"]
    assert equal(load_checkpoint(tmp_path), 100)
    assert equal(load_checkpoint(tmp_path, at_most=99), 10)
    assert load_checkpoint(tmp_path, at_most=9) is None
    save_checkpoint(tmp_path, make(100), keep=1)  # the same step again
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["step-100"]
    remove_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []


def damage(folder: Path, how: str) -> None:
    model, state = folder / "model.safetensors", folder / "state.json"
    match how:
        case "flipped":
            content = bytearray(model.read_bytes())
            content[-1] ^= 1
            model.write_bytes(content)
        case "cut":
            model.write_bytes(model.read_bytes()[:20])
        case "empty":
            state.write_bytes(b"")
        case "missing":
            (folder / "optimizer.safetensors").unlink()
        case "no state":
            state.unlink()
        case "state flipped":
            state.write_text(state.read_text().replace('"epoch": 1', '"epoch": 2'))
        case "version":
            state.write_text(json.dumps({**json.loads(state.read_text()), "schema_version": 99}))
        case _:
            state.write_text("[]")


@pytest.mark.parametrize("how", ["flipped", "cut", "empty", "missing", "no state", "state flipped", "version", "list"])
def test_a_damaged_one_is_passed_over_with_a_line(how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step in (3, 6):
        save_checkpoint(tmp_path / "run", make(step))
    damage(tmp_path / "run/checkpoints/step-6", how)
    assert equal(load_checkpoint(tmp_path / "run"), 3)
    said = capsys.readouterr().err
    assert said.startswith("windowconv: run: step-6 is damaged (")
    assert len(said.splitlines()) == 1
    damage(tmp_path / "run/checkpoints/step-3", how)
    assert load_checkpoint(tmp_path / "run") is None


def test_a_full_disk_leaves_the_earlier_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, make(3))

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoints.os, name, full)
            with pytest.raises(InputError, match="a checkpoint cannot be written") as caught:
                save_checkpoint(tmp_path, make(6))
        assert "\n" not in str(caught.value)
        assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-3"]
        assert equal(load_checkpoint(tmp_path), 3)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, make(3))
    for path in (tmp_path / "checkpoints/step-3").iterdir():
        assert path.read_bytes()[:2] not in (b"\x80\x02", b"PK")  # a pickle's, a zip's


def test_what_an_interrupted_writer_left_is_no_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, make(3))
    (tmp_path / "checkpoints/.step-9.part").mkdir()
    assert equal(load_checkpoint(tmp_path), 3)
    save_checkpoint(tmp_path, make(9))
    assert equal(load_checkpoint(tmp_path), 9)
    assert not (tmp_path / "checkpoints/.step-9.part").exists()
