from __future__ import annotations

import hashlib
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torchvision import datasets

from windowconv.errors import InputError
from windowconv.lab.data import in_memory, load


def make(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """torchvision's folder with 4 images in each batch file; torchvision is given their checksums."""
    cifar = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    classes = [f"class{index}" for index in range(10 if name == "cifar10" else 100)]
    label_key = "labels" if name == "cifar10" else "fine_labels"
    folder = root / cifar.base_folder
    folder.mkdir(parents=True)
    pixels = {}

    def put(file: str, content: dict) -> str:
        data = pickle.dumps(content)
        (folder / file).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    for attribute in ("train_list", "test_list"):
        files = []
        for file, _ in getattr(cifar, attribute):
            rng = np.random.default_rng(len(pixels))
            pixels[file] = rng.integers(0, 256, (4, 3072), dtype=np.uint8)
            files.append([file, put(file, {"data": pixels[file], label_key: [len(pixels), 1, 2, 9]})])
        monkeypatch.setattr(cifar, attribute, files)
    meta = dict(cifar.meta)
    meta["md5"] = put(meta["filename"], {meta["key"]: classes})
    monkeypatch.setattr(cifar, "meta", meta)
    return pixels


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("nested", [False, True])
def test_torchvisions_folder(tmp_path, monkeypatch, name, nested):
    pixels = make(tmp_path / name if nested else tmp_path, name, monkeypatch)
    data = load(name, tmp_path)
    batches = list(pixels.values())
    assert np.array_equal(in_memory(data.train).images, np.concatenate(batches[:-1]).reshape(-1, 3, 32, 32))
    assert np.array_equal(in_memory(data.test).images, batches[-1].reshape(-1, 3, 32, 32))
    assert data.train.labels[:4].tolist() == [1, 1, 2, 9]
    assert data.test.labels.tolist() == [len(batches), 1, 2, 9]
    assert data.classes[:2] == ("class0", "class1")
    assert load(name, tmp_path, image_size=16).image_size == (16, 16)


class Bomb:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_changed_file_is_never_unpickled(tmp_path, monkeypatch, file):
    make(tmp_path, "cifar10", monkeypatch)
    path = tmp_path / "cifar-10-batches-py" / file
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    pickle.loads(path.read_bytes())
    assert (tmp_path / "exploded").exists()  # it would
    (tmp_path / "exploded").unlink()
    with pytest.raises(InputError, match=rf"{file}: has MD5 [0-9a-f]+, expected [0-9a-f]+: unpack the official"):
        load("cifar10", tmp_path)
    assert not (tmp_path / "exploded").exists()
    path.unlink()
    with pytest.raises(InputError, match=f"{file}: is missing beside the other files"):
        load("cifar10", tmp_path)


def write_parquet(folder: Path, encode, size: int, names: list[str] | None, label: str, mode: str = "RGB") -> None:
    folder.mkdir(exist_ok=True)
    rows = [{"bytes": encode(index, (size, size), mode), "path": None} for index in range(3)]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"img": pa.array(rows, struct), label: [0, 1, 99 if label == "fine_label" else 9]})
    if names:
        info = {"info": {"features": {label: {"names": names}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    for split in ("train", "test"):
        pq.write_table(table, folder / f"{split}.parquet")


TEN = ["airplane", *"bcdefghi", "truck"]
HUNDRED = ["apple", *(f"class{index}" for index in range(98)), "worm"]


@pytest.mark.parametrize(
    ("name", "names", "label"),
    [("cifar10", TEN, "label"), ("cifar100", HUNDRED, "fine_label"), ("cifar100", None, "fine_label")],
)
def test_parquet(tmp_path, encode, name, names, label):
    write_parquet(tmp_path / name, encode, 32, names, label)
    data = load(name, tmp_path)
    assert data.name == name
    assert data.classes == tuple(names or map(str, range(100)))
    want = np.asarray(datasets.folder.Image.open(io.BytesIO(encode(0, (32, 32)))))
    assert torch.equal(in_memory(data.train).images[0], torch.from_numpy(want.copy()).permute(2, 0, 1))
    assert load(name, tmp_path, image_size=8).image_size == (8, 8)


@pytest.mark.parametrize(
    ("size", "names", "label", "mode"),
    [
        (16, TEN, "label", "RGB"),
        (32, TEN, "label", "L"),
        (32, ["n014", *TEN[1:]], "label", "RGB"),
        (32, HUNDRED, "fine_label", "RGB"),
    ],
)
def test_other_data_are_not_taken_for_cifar(tmp_path, encode, size, names, label, mode):
    write_parquet(tmp_path, encode, size, names, label, mode)
    with pytest.raises(InputError, match=r"its parquet files are not cifar10 .* give the folder's path"):
        load("cifar10", tmp_path)
    assert load(tmp_path).image_size == (size, size)
