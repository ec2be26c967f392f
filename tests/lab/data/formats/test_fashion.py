from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets

from windowconv.errors import InputError
from windowconv.lab.data import in_memory, load

RAW = Path("FashionMNIST/raw")
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


@pytest.fixture
def copy(data_root, tmp_path) -> Path:
    """A writable copy of the official files."""
    shutil.copytree(data_root / "fashion-mnist", tmp_path / "copy")
    return tmp_path / "copy"


def idx(array: np.ndarray) -> bytes:
    """An array in the format of the official files."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def unpacked(tmp_path) -> Path:
    """A small set in the unpacked form: 6 and 4 images of 5x5."""
    raw = tmp_path / RAW
    raw.mkdir(parents=True)
    for seed, (prefix, n) in enumerate((("train", 6), ("t10k", 4))):
        rng = np.random.default_rng(seed)
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(idx(rng.integers(0, 256, (n, 5, 5))))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.arange(n)))
    return tmp_path


def test_real_files_equal_torchvisions_reading(data_root, copy):
    data = load("fashion-mnist", data_root)
    assert not list((data_root / "fashion-mnist" / RAW).glob("*ubyte"))  # nothing was unpacked
    theirs = [datasets.FashionMNIST(str(copy), train=train, download=True) for train in (True, False)]
    for ours, other in zip((data.train, data.test), theirs, strict=True):
        assert torch.equal(in_memory(ours).images[:, 0], other.data)
        assert torch.equal(ours.labels, other.targets)
        assert ours.classes == tuple(other.classes)
    assert (data.name, data.channels, data.image_size) == ("fashion-mnist", 1, (28, 28))
    assert torch.bincount(data.test.labels).tolist() == [1000] * 10
    # torchvision has left the unpacked files there: alone, they do as well.
    for file in (copy / RAW).glob("*.gz"):
        file.unlink()
    assert load("fashion-mnist", copy).content_hash == data.content_hash


@pytest.mark.parametrize("spoil", [lambda data: data[:-1000], lambda data: data[:5000] + b"\0" + data[5001:]])
def test_refuses_a_damaged_file(copy, spoil):
    file = copy / RAW / TEST_IMAGES
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(InputError) as caught:
        load("fashion-mnist", copy)
    message = str(caught.value)
    assert message.startswith(f"{file}: has MD5 ")
    assert "expected bef4ecab320f06d8554ea6380940ec79: delete it and get the official file again" in message


def test_a_damaged_file_is_not_excused_by_its_unpacked_form(copy):
    file = copy / RAW / TEST_LABELS
    file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
    file.write_bytes(b"")
    with pytest.raises(InputError, match="has MD5 d41d8cd98f00b204e9800998ecf8427e, expected bb300cfd"):
        load("fashion-mnist", copy)


def test_unpacked_files_and_resizing(unpacked):
    data = load("fashion-mnist", unpacked)
    want = np.random.default_rng(1).integers(0, 256, (4, 5, 5))
    assert np.array_equal(in_memory(data.test).images[:, 0], want)
    assert data.test.labels.tolist() == [0, 1, 2, 3]
    assert load("fashion-mnist", unpacked, image_size=9).train.shape == (1, 9, 9)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t10k-images-idx3-ubyte", None, r"t10k-images-idx3-ubyte\.gz: is missing beside the other files"),
        ("t10k-images-idx3-ubyte", b"", "t10k-images-idx3-ubyte: is no idx file"),
        ("t10k-images-idx3-ubyte", b"\0\0\x08\x03\0\0", "is no idx file"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((4, 5, 5)))[:-1], r"holds 99 bytes where \(4, 5, 5\) needs 100"),
        ("t10k-images-idx3-ubyte", idx(np.zeros((4, 5))), "holds 2 dimensions, not 3"),
        ("t10k-labels-idx1-ubyte", idx(np.arange(3)), r"raw: labels.shape=\(3,\); allowed: \(4,\)"),
        ("t10k-labels-idx1-ubyte", idx(np.arange(7, 11)), r"raw: labels\[3\]=10: with 10 classes"),
    ],
)
def test_refuses_unpacked_files(unpacked, name, content, message):
    file = unpacked / RAW / name
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load("fashion-mnist", unpacked)
