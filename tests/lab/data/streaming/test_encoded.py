from __future__ import annotations

import os
import pickle
import pickletools
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from windowconv.errors import InputError
from windowconv.lab.data import EncodedSet, ImageData, Images, ImageSet, load
from windowconv.lab.data.shards.stores import FileStore
from windowconv.lab.data.streaming.encoded import open_encoded


def opened(folder: Path, size: int = 8) -> ImageData:
    data = open_encoded(folder, "photos", size)
    assert data is not None
    return data


def train(folder: Path, size: int = 8) -> EncodedSet:
    images = opened(folder, size).train
    assert isinstance(images, EncodedSet)
    return images


def test_files_and_labels_are_those_that_are_read_into_memory(photos):
    data, held = opened(photos), load(photos, image_size=8)
    assert (data.name, data.classes, data.channels, data.image_size) == ("photos", ("ant", "bee"), 3, (8, 8))
    for ours, theirs, split in ((data.train, held.train, "train"), (data.test, held.test, "val")):
        assert isinstance(ours, EncodedSet)
        assert torch.equal(ours.labels, theirs.labels)
        assert ours.shards is None
        files = sorted((photos / split).rglob("*.*"))
        assert [ours.name(index) for index in range(len(ours))] == list(map(str, files))
        assert [ours.read(index) for index in range(len(ours))] == [file.read_bytes() for file in files]
    assert len(data.train) == 21


def test_any_set_will_do_where_images_are_asked_for(photos):
    some: Images = train(photos)
    assert some.shape == (3, 8, 8)


def test_hash_is_of_names_sizes_and_labels(photos, tmp_path):
    one = train(photos)
    assert re.fullmatch("[0-9a-f]{64}", one.content_hash)
    shutil.copytree(photos, tmp_path / "elsewhere")
    assert train(tmp_path / "elsewhere", size=9).content_hash == one.content_hash
    assert one.take(20).content_hash != one.content_hash
    assert EncodedSet(one.store, one.positions[::-1].copy(), one.labels.flip(0), one.classes, 8).content_hash == (
        one.content_hash
    )
    hashes = {one.content_hash}
    for change in (
        lambda ant: (ant / "00.JPEG").write_bytes((ant / "00.JPEG").read_bytes() + b"\0"),
        lambda ant: (ant / "00.JPEG").rename(ant / "0.JPEG"),
        lambda ant: shutil.move(ant / "01.JPEG", ant.parent / "bee" / "30.JPEG"),
    ):
        change(photos / "train" / "ant")
        hashes.add(train(photos).content_hash)
    assert len(hashes) == 4
    other_labels = EncodedSet(one.store, one.positions, one.labels.flip(0), one.classes, 8)
    with pytest.raises(InputError, match=r"00\.JPEG: can't be read \(No such file or directory\)"):
        _ = other_labels.content_hash


def test_hash_sees_labels(photos):
    one = train(photos)
    assert EncodedSet(one.store, one.positions, 1 - one.labels, one.classes, 8).content_hash != one.content_hash


def test_subsets_are_those_of_a_set_in_memory(photos):
    one = train(photos)
    held = ImageSet(torch.arange(21).to(torch.uint8)[:, None, None, None], one.labels, one.classes)
    assert one.take(None) is one
    pairs = [(one.take(7, 2), held.take(7, 2)), *zip(one.split(0.3, 1), held.split(0.3, 1), strict=True)]
    pairs.append((one.split(0.3, 1)[0].take(5), held.split(0.3, 1)[0].take(5)))
    assert [len(ours) for ours, _ in pairs] == [7, 15, 6, 5]
    for ours, theirs in pairs:
        assert [ours.name(index) for index in range(len(ours))] == [one.name(int(index)) for index in theirs.images]
        assert torch.equal(ours.labels, theirs.labels)
        assert ours.read(2) == Path(ours.name(2)).read_bytes()
    for call, message in (
        (lambda: one.take(22), "n=22: a subset of 21"),
        (lambda: one.split(1), "fraction=1; allowed:"),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_pickles_without_its_images_and_in_one_piece(photos, tmp_path):
    one = train(photos).take(9)
    copy = pickle.loads(pickle.dumps(one))
    assert copy.read(3) == one.read(3)
    assert copy.content_hash == one.content_hash
    names = [f"n{index % 1000:08}/n{index % 1000:08}_{index}.JPEG" for index in range(20_000)]
    store = FileStore(tmp_path, [os.path.join(tmp_path, name) for name in names])
    data = pickle.dumps(store)
    assert len(data) < 1000 + sum(map(len, names)) + 8 * len(names) + 8
    assert sum(1 for _ in pickletools.genops(data)) < 200
    assert pickle.loads(data).key(19_999) == names[19_999]
    assert store.name(7) == str(tmp_path / names[7])


def test_names_in_any_alphabet(photos, tmp_path):
    strange = photos / "train" / "ant" / os.fsdecode(b"na\xc3\xafve \xff.JPEG")
    shutil.copy(photos / "train" / "ant" / "00.JPEG", strange)
    one = train(photos)
    assert str(strange) in {one.name(index) for index in range(len(one))}
    assert one.content_hash
    assert one.read(12) == strange.read_bytes()


def test_refuses(photos, tmp_path):
    (tmp_path / "nothing").mkdir()
    assert open_encoded(tmp_path / "nothing", "x", 8) is None
    with pytest.raises(InputError, match="image_size=0; allowed: 1 or more pixels"):
        open_encoded(photos, "x", 0)
    one = train(photos)
    with pytest.raises(InputError, match="the set has no image"):
        EncodedSet(one.store, np.arange(0), one.labels[:0], one.classes, 8)
    with pytest.raises(InputError, match=r"labels\[12\]=1: with 1 classes"):
        EncodedSet(one.store, one.positions, one.labels, ("ant",), 8)
    os.unlink(one.name(4))
    with pytest.raises(InputError, match=r"ant/04\.png: can't be read \(No such file or directory\): put it back"):
        one.read(4)
    shutil.rmtree(photos / "val" / "bee")
    with pytest.raises(InputError, match=r"different classes \('bee' is only in train/\)"):
        opened(photos)
