"""What is in shards is read once, and again where it may have changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from windowconv.errors import InputError
from windowconv.files import CACHE
from windowconv.lab.data.shards import index_cache
from windowconv.lab.data.shards.index_cache import index_shards
from windowconv.lab.data.shards.shard_index import ShardIndex, index_shard
from windowconv.lab.data.streaming.encoded import open_encoded


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names of the shards whose headers are read from now on; every split is worth a file."""
    names: list[str] = []

    def spy(path: Path) -> ShardIndex:
        names.append(path.name)
        return index_shard(path)

    monkeypatch.setattr(index_cache, "index_shard", spy)
    monkeypatch.setattr(index_cache, "WORTH", 0.0)
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    return names


def train(shards: Path) -> list[Path]:
    return sorted(shards.glob("train-*.tar"))


def same(found: list[ShardIndex], paths: list[Path]) -> None:
    for mine, path in zip(found, paths, strict=True):
        fresh = index_shard(path)
        assert mine.keys == fresh.keys
        for name in ("offsets", "sizes", "labels"):
            a, b = getattr(mine, name), getattr(fresh, name)
            assert a.dtype == b.dtype == np.int64
            assert np.array_equal(a, b)


def test_headers_are_read_at_the_first_start_only(shards: Path, read: list[str], tmp_path: Path) -> None:
    paths = train(shards)
    first = open_encoded(shards, "x", 8)
    assert read == [path.name for path in (*paths, *sorted(shards.glob("val-*.tar")))]
    assert len(list((tmp_path / "cache").iterdir())) == 2
    read.clear()
    again = open_encoded(shards, "x", 8)
    assert read == []
    assert first is not None
    assert again is not None
    for a, b in ((first.train, again.train), (first.test, again.test)):
        assert a.content_hash == b.content_hash
        assert [a.name(i) for i in range(len(a))] == [b.name(i) for i in range(len(b))]  # pyright: ignore[reportAttributeAccessIssue]
    same(index_shards(paths), paths)
    assert read == []


def test_names_of_any_bytes(read: list[str], tmp_path: Path, write_shard: Callable[..., None]) -> None:
    path = tmp_path / "train-0.tar"
    keys = ["é/日本", "b\udcff", "line\nbreak", " "]
    write_shard(path, [{"__key__": key, "jpg": b"x" * (i + 1), "cls": b"0"} for i, key in enumerate(keys)])
    for _ in range(2):
        found = index_shards([path])
        assert found[0].keys == keys
        same(found, [path])
    assert read == ["train-0.tar"]


def test_what_changes_is_read_again(shards: Path, read: list[str], write_shard: Callable[..., None]) -> None:
    paths = train(shards)
    index_shards(paths)
    stat = paths[1].stat()
    os.utime(paths[1], ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    changes: list[Callable[[], Any]] = [
        lambda: None,
        lambda: write_shard(paths[0], [{"__key__": "a", "jpg": b"a", "cls": b"1"}]),
        lambda: paths.pop().unlink(),
    ]
    for change in changes:
        change()
        read.clear()
        for _ in range(2):
            same(index_shards(paths), paths)
        assert read == [path.name for path in paths]


@pytest.mark.parametrize("cut", [0, 1, 31, 32, 40, 500, -1])
def test_a_damaged_file_is_made_again(cut: int, shards: Path, read: list[str], tmp_path: Path) -> None:
    paths = train(shards)
    index_shards(paths)
    (file,) = (tmp_path / "cache").iterdir()
    whole = file.read_bytes()
    for damaged in (whole[:cut], whole[:cut] + bytes([whole[cut] ^ 1]) + whole[cut:][1:]):
        file.write_bytes(damaged)
        read.clear()
        same(index_shards(paths), paths)
        assert len(read) == len(paths)
        assert file.read_bytes() == whole


def test_another_format_is_not_read(shards: Path, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    index_shards(train(shards))
    read.clear()
    monkeypatch.setattr(index_cache, "FORMAT", index_cache.FORMAT + 1)
    index_shards(train(shards))
    assert read


def test_where_nothing_can_be_kept_all_is_read(
    shards: Path, read: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = train(shards)
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv(CACHE, str(tmp_path / "taken"))
    for _ in range(2):
        same(index_shards(paths), paths)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv(CACHE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    same(index_shards(paths), paths)
    assert len(read) == 3 * len(paths)


def test_what_is_read_in_no_time_is_not_kept(
    shards: Path, read: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_cache, "WORTH", 3600.0)
    index_shards(train(shards))
    assert not (tmp_path / "cache").exists()


def test_a_damaged_or_missing_shard_is_an_error_and_leaves_nothing(
    shards: Path, read: list[str], tmp_path: Path
) -> None:
    paths = train(shards)
    paths[1].write_bytes(b"no tar")
    with pytest.raises(InputError, match="can't be read as a tar file"):
        index_shards(paths)
    paths[1].unlink()
    with pytest.raises(InputError, match="can't be read as a tar file"):
        index_shards(paths)
    assert not (tmp_path / "cache").exists()
