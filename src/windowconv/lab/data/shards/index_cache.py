"""What is in shards, kept in the user's cache folder: to read ImageNet's headers takes minutes at every start."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from windowconv.errors import InputError
from windowconv.files import cache_folder, replace_file
from windowconv.lab.data.shards.shard_index import ShardIndex, index_shard

FORMAT = 2  # of the file; to be raised where `index_shard` finds other things than before
WORTH = 2.0  # seconds that reading the headers takes; less is not worth a file
DIGEST = 32  # bytes of the SHA-256 that a file begins with


def index_shards(paths: Sequence[Path]) -> list[ShardIndex]:
    """What is in each shard of a split, as `index_shard` finds it, now or at an earlier start.

    What was found is kept with the shards' names, sizes and times of change, and counts as long as these are the same.
    A file that is stale or damaged is written anew; that none can be written is no error.

    Args:
        paths: of the shards, one or more in one folder.

    Raises:
        InputError: as `index_shard`.
    """
    file, key = _file(paths), _key(paths)
    kept = None if file is None or key is None else _read(file, key)
    if kept is not None:
        return kept
    began = time.perf_counter()
    found = [index_shard(path) for path in paths]
    if file is not None and key is not None and time.perf_counter() - began >= WORTH:
        with suppress(InputError):
            replace_file(file, _packed(key, found))
    return found


def _file(paths: Sequence[Path]) -> Path | None:
    """Where a split is kept, by its first shard; None for a user who has no home."""
    folder = cache_folder()
    name = hashlib.sha256(str(paths[0].resolve()).encode(errors="surrogateescape")).hexdigest()[:16]
    return None if folder is None else folder / f"shards-{name}.npz"


def _key(paths: Sequence[Path]) -> bytes | None:
    """What the shards are known by; None if one is gone."""
    try:
        states = [(path.name, path.stat()) for path in paths]
    except OSError:
        return None
    return json.dumps([FORMAT, [[name, s.st_size, s.st_mtime_ns] for name, s in states]]).encode()


def _packed(key: bytes, found: Sequence[ShardIndex]) -> bytes:
    names = "\0".join(name for index in found for name in index.keys)  # tar ends a name at such a byte
    content = io.BytesIO()
    np.savez(
        content,
        key=np.frombuffer(key, np.uint8),
        names=np.frombuffer(names.encode(errors="surrogateescape"), np.uint8),
        counts=np.array([len(index.keys) for index in found]),
        numbers=np.concatenate([np.stack([i.offsets, i.sizes, i.labels]) for i in found], axis=1),
    )
    return hashlib.sha256(content.getvalue()).digest() + content.getvalue()


def _read(file: Path, key: bytes) -> list[ShardIndex] | None:
    """What a file holds; None if there is none that is whole and for this key."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
        return None
    with np.load(io.BytesIO(content[DIGEST:]), allow_pickle=False) as kept:
        if kept["key"].tobytes() != key:
            return None
        names = kept["names"].tobytes().decode(errors="surrogateescape").split("\0")
        numbers, ends = kept["numbers"], kept["counts"].cumsum()
    if len(names) != ends[-1]:  # one held the byte that parts them
        return None
    begins = [0, *ends[:-1]]
    return [ShardIndex(names[a:b], *numbers[:, a:b]) for a, b in zip(begins, ends, strict=True)]
