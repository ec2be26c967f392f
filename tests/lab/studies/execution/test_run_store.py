"""Run folders kept at an address come back whole; a run that is not there whole is not there."""

from pathlib import Path

import pytest

from windowconv.errors import InputError
from windowconv.lab.studies.execution.run_store import Store

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "evaluations").mkdir(parents=True)
    (folder / "checkpoints/step-3").mkdir(parents=True)
    files = ("run.json", "model.safetensors", "evaluations/test.json", "checkpoints/step-3/state.json", ".part")
    for name in files:
        (folder / name).write_text(f"of {name}")
    return folder


@pytest.mark.parametrize("kind", ["path", "file", "memory"])
def test_a_run_goes_there_and_comes_back(kind: str, run: Path, tmp_path: Path) -> None:
    url = {"path": str(tmp_path / "kept"), "file": f"file://{tmp_path}/kept", "memory": "memory://kept/here"}[kind]
    store = Store(url)
    assert not store.has("search/3x3-seed0")
    store.put(run, "search/3x3-seed0")
    assert store.has("search/3x3-seed0")
    assert not store.has("search/3x3")
    target = tmp_path / "back/3x3-seed0"
    store.get("search/3x3-seed0", target)
    found = {path.relative_to(target).as_posix(): path.read_text() for path in target.rglob("*") if path.is_file()}
    assert found == {name: f"of {name}" for name in ("run.json", "model.safetensors", "evaluations/test.json")}
    assert [path.name for path in target.parent.iterdir()] == ["3x3-seed0"]


def test_the_record_is_written_last(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path / "kept"))
    order: list[str] = []
    put = store._files.put_file

    def spy(here: str, there: str) -> None:
        order.append(Path(here).name)
        put(here, there)

    monkeypatch.setattr(store._files, "put_file", spy)
    store.put(run, "r")
    assert order[-1] == "run.json"


@pytest.mark.parametrize("url", ["nothing://x", "s3://bucket/x"])
def test_an_address_that_cannot_be_used_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)  # as if it were not installed
    with pytest.raises(InputError, match=r"store='.*' cannot be used"):
        Store(url)


def test_a_store_that_cannot_be_written_is_one_line(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be read or written"):
        Store(str(tmp_path / "file/x")).put(run, "r")
    with pytest.raises(InputError, match="has no run 'r'"):
        Store(str(tmp_path / "empty")).get("r", tmp_path / "back/r")
    assert not (tmp_path / "back/r").exists()
