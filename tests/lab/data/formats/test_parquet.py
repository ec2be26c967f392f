from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from windowconv.errors import InputError, WindowWarning
from windowconv.lab.data import in_memory, load


def write(
    path: Path,
    images: list[bytes | None],
    labels: list[int | None],
    names: list[str] | None = None,
    columns: tuple[str, str] = ("image", "label"),
) -> None:
    """A parquet file as the Hub's library writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    structs = [{"bytes": image, "path": f"{index}.png"} for index, image in enumerate(images)]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({columns[0]: pa.array(structs, struct), columns[1]: pa.array(labels, pa.int64())})
    if names:
        features = {columns[0]: {"_type": "Image"}, columns[1]: {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=2)


def pixels(data: list[bytes]) -> torch.Tensor:
    images = [np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in data]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


@pytest.fixture
def some(encode):
    return [encode(seed) for seed in range(5)]


@pytest.fixture
def folder(tmp_path, some) -> Path:
    write(tmp_path / "zoo" / "train.parquet", some[:3], [1, 0, 2], ["ape", "bear", "cat"])
    write(tmp_path / "zoo" / "test.parquet", some[3:], [2, 2], ["ape", "bear", "cat"])
    return tmp_path / "zoo"


def test_values_and_class_names(folder, some):
    data = load(folder)
    assert (data.name, data.classes) == ("zoo", ("ape", "bear", "cat"))
    assert torch.equal(in_memory(data.train).images, pixels(some[:3]))
    assert torch.equal(in_memory(data.test).images, pixels(some[3:]))
    assert data.train.labels.tolist() == [1, 0, 2]
    assert data.test.labels.tolist() == [2, 2]
    assert load(folder, image_size=5).image_size == (5, 5)


def test_shards_below_data_and_the_other_columns(tmp_path, some):
    for index in range(2):
        write(
            tmp_path / "data" / f"train-{index:05}-of-00002.parquet",
            some[2 * index : 2 * index + 2],
            [index, 3],
            columns=("img", "fine_label"),
        )
    write(tmp_path / "data" / "validation-00000-of-00001.parquet", some[4:], [1], columns=("img", "fine_label"))
    data = load(tmp_path)
    assert data.classes == ("0", "1", "2", "3")  # nobody named them
    assert torch.equal(in_memory(data.train).images, pixels(some[:4]))
    assert data.train.labels.tolist() == [0, 3, 1, 3]
    (tmp_path / "data" / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(InputError, match=r"the train shards are not complete \(train-00001-of-00002.parquet\)"):
        load(tmp_path)


def test_a_stray_parquet_file_is_not_taken_for_a_set(image_folder):
    (image_folder / "notes.parquet").write_bytes(b"nothing")
    assert load(image_folder).classes == ("ant", "bee")


NAMES = ["ape", "bear", "cat"]


@pytest.mark.parametrize(
    ("images", "labels", "names", "message"),
    [
        ([0, b"broken", 1], [0, 1, 2], NAMES, r"train\.parquet row 1: the image can't be decoded \("),
        ([0, 1, None], [0, 1, 2], NAMES, r"train\.parquet row 2: has no image bytes"),
        ([0, 1, 2], [0, 3, 2], NAMES, r"train\.parquet row 1: has label 3 where there are 3 classes"),
        ([0, 1, 2], [0, 1, -1], NAMES, r"train\.parquet row 2: has label -1"),
        ([0, 1, 2], [0, None, 2], NAMES, r"train\.parquet row 1: has no label"),
        ([], [], NAMES, r"train\.parquet: has no rows"),
        ([0, 1, 2], [0, 1, 2], [*NAMES, "dog"], r"test\.parquet: names other classes than .*train\.parquet"),
    ],
)
def test_refuses_rows(folder, some, images, labels, names, message):
    images = [some[image] if isinstance(image, int) else image for image in images]
    write(folder / "train.parquet", images, labels, names)
    with pytest.raises(InputError, match=message):
        load(folder)


def test_names_the_row_within_its_own_file(folder, some):
    write(folder / "test.parquet", [some[0], b"broken"], [2, 2], NAMES)
    with pytest.raises(InputError, match=r"test\.parquet row 1: the image can't be decoded"):
        load(folder)


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def tampered(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[4:60] = b"\xff" * 56
    file.write_bytes(data)


@pytest.mark.parametrize("spoil", [truncated, tampered, lambda file: file.write_bytes(b"")])
def test_refuses_broken_files(folder, spoil):
    spoil(folder / "test.parquet")
    with pytest.raises(InputError, match=r"test\.parquet: can't be read as parquet \(.*\): get the file again"):
        load(folder)


def test_refuses_other_columns_and_missing_files(folder):
    for columns, message in (
        ({"picture": ["x"], "label": [1]}, "has columns picture, label: one must be image or img"),
        ({"image": ["x"], "label": [1]}, "its image column is string"),
        ({"image": [b"x"], "label": [0.5]}, "its label column is double"),
    ):
        pq.write_table(pa.table(columns), folder / "train.parquet")
        with pytest.raises(InputError, match=message):
            load(folder)
    (folder / "train.parquet").unlink()
    with pytest.raises(InputError, match=r"zoo: has parquet files but no train\.parquet or train-00000"):
        load(folder)
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="there is no such folder"):
        load(folder)


def test_real_images(data_root, tmp_path):
    """The test sets, rows chosen through the whole file, against PIL and pyarrow."""
    for name, rows, classes in (("cifar100", 10000, 100), ("cifar10", 10000, 10)):
        goal = tmp_path / name
        goal.mkdir()
        for split in ("train", "test"):  # the smaller file in both places saves time
            (goal / f"{split}.parquet").symlink_to(data_root / name / "test.parquet")
        data = load(goal)
        assert (len(data.test), len(data.classes), data.channels, data.image_size) == (rows, classes, 3, (32, 32))
        table = pq.read_table(data_root / name / "test.parquet").to_pylist()
        chosen = range(0, rows, 37)
        assert torch.equal(in_memory(data.test).images[::37], pixels([table[row]["image"]["bytes"] for row in chosen]))
        assert data.test.labels.tolist() == [row["label"] for row in table]


@pytest.mark.parametrize(
    "layout",
    [
        ("train-00000-of-00001-1b6f3a.parquet", "test-00000-of-00001-0f9a8b7c6d5e.parquet"),
        ("data/train-0000.parquet", "data/validation-0000.parquet"),
        ("default/train/0000.parquet", "default/test/0000.parquet"),
        ("plain_text/train-00000-of-00001.parquet", "plain_text/test-00000-of-00001.parquet"),
    ],
)
def test_names_that_writers_give(folder, layout):
    goal = folder.parent / "other"
    for name, split in zip(layout, ("train", "test"), strict=True):
        path = goal / name.replace("1b6f3a", "1b6f3a2d4e5f")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / f"{split}.parquet", path)
    assert load(goal).content_hash == load(folder).content_hash


def test_shards_counted_from_one_and_a_gap(folder):
    goal = folder.parent / "other"
    goal.mkdir()
    shutil.copy(folder / "test.parquet", goal / "test.parquet")
    for number in (1, 2):
        shutil.copy(folder / "train.parquet", goal / f"train-{number:04}.parquet")
    assert len(load(goal).train) == 6
    (goal / "train-0002.parquet").rename(goal / "train-0003.parquet")
    with pytest.raises(InputError, match=r"the train shards are not complete \(train-0001.parquet, train-0003"):
        load(goal)


def test_several_configurations(folder):
    goal = folder.parent / "other"
    for name in ("small", "large"):
        (goal / name).mkdir(parents=True)
        for split in ("train", "test"):
            shutil.copy(folder / f"{split}.parquet", goal / name)
    with pytest.raises(InputError, match=r"holds several configurations \(large, small\): name the folder of one"):
        load(goal)
    assert load(goal / "small").content_hash == load(folder).content_hash


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
@pytest.mark.parametrize("image_kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_labels_that_are_names_and_large_and_view_types(folder, some, kind, image_kind):
    names = ["ape", "bear", "cat"]
    for split, images, labels in (("train", some[:3], [1, 0, 2]), ("test", some[3:], [2, 2])):
        words = pa.array([names[label] for label in labels]).cast(kind)
        table = pa.table({"img": pa.array(images, image_kind), "labels": words})
        pq.write_table(table, folder.parent / f"{split}.parquet")
    data = load(folder.parent)
    assert (data.classes, data.content_hash) == (("ape", "bear", "cat"), load(folder).content_hash)


def test_names_and_numbers_mixed(folder, some):
    pq.write_table(pa.table({"image": some[3:], "label": ["a", "b"]}), folder / "test.parquet")
    pq.write_table(pa.table({"image": some[3:], "label": [0, 1]}), folder / "train.parquet")
    with pytest.raises(InputError, match=r"test\.parquet: has labels of another kind than .*train\.parquet"):
        load(folder)


def test_broken_rows_are_left_out_and_listed(folder, some):
    write(folder / "train.parquet", [some[0], b"broken", some[2]], [0, 1, 2], NAMES)
    with pytest.warns(WindowWarning, match=r"1 of 5 images cannot be decoded and are left out: train\.parquet row 1"):
        data = load(folder, bad_images="skip")
    assert (data.left_out, data.train.labels.tolist()) == (("train.parquet row 1",), [0, 2])
