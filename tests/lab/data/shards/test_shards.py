from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from webdataset.tariterators import group_by_keys, tar_file_expander

from windowconv.errors import InputError, WindowWarning
from windowconv.lab.data import EncodedSet
from windowconv.lab.data.shards.shard_index import index_shard
from windowconv.lab.data.streaming.encoded import open_encoded


def opened(folder: Path, split: str = "train") -> EncodedSet:
    data = open_encoded(folder, "x", 8)
    assert data is not None
    images = getattr(data, split)
    assert isinstance(images, EncodedSet)
    return images


def write_tar(path: Path, members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> None:
    """A tar file with any names, by the standard library."""
    with tarfile.open(path, "w", format=form) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def read_by_webdataset(paths: list[Path]) -> Iterator[tuple[str, bytes, int]]:
    for path in paths:
        with open(path, "rb") as stream:
            for sample in group_by_keys(tar_file_expander([{"url": str(path), "stream": stream}])):
                image = next(sample[suffix] for suffix in ("jpg", "png") if suffix in sample)
                yield f"{sample['__url__']} sample {sample['__key__']}", image, int(sample["cls"])


@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "val")])
def test_samples_are_those_that_webdataset_reads(shards, split, prefix):
    ours = opened(shards, split)
    want = list(read_by_webdataset(sorted(shards.glob(f"{prefix}-*.tar"))))
    assert [(ours.name(i), ours.read(i), int(ours.labels[i])) for i in range(len(ours))] == want
    assert ours.shards is not None
    assert ours.shards.tolist() == [i // 4 for i in range(len(want))]
    assert ours.classes == ("ant", "bee")


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_as_they_occur(tmp_path, encode, form):
    long = "a" * 90 + "/" + "b" * 90
    members = {
        f"{long}.PNG": encode(0),
        f"{long}.cls": b" 3\n",
        "part.one/x.json": b"{}",
        "part.one/x.cls": b"0",
        "part.one/x.seg.png": b"not the image",
        "part.one/x.jpeg": encode(1, form="JPEG"),
        "README": b"no sample",
        ".hidden.jpg": b"no sample",
        "part.one/y.cls": b"12",
        "part.one/y.webp": encode(2, form="WEBP"),
    }
    write_tar(tmp_path / "train-0.tar", members, form)
    write_tar(tmp_path / "test-0.tar", {"z.cls": b"1", "z.jpg": b"z"})
    ours = opened(tmp_path)
    assert [ours.store.key(i) for i in range(3)] == [f"train-0.tar/{key}" for key in (long, "part.one/x", "part.one/y")]
    assert ours.labels.tolist() == [3, 0, 12]
    assert ours.classes == tuple(map(str, range(13)))  # nobody named them
    images = [members[name] for name in (f"{long}.PNG", "part.one/x.jpeg", "part.one/y.webp")]
    assert [ours.read(i) for i in range(3)] == images
    assert opened(tmp_path, "test").read(0) == b"z"


def test_val_goes_before_test_and_shards_before_folders(shards, photos, write_shard):
    for path in shards.glob("val-*.tar"):
        path.rename(path.with_name(path.name.replace("val", "test")))
    assert len(opened(shards, "test")) == 7
    write_shard(shards / "val-000000.tar", [{"__key__": "a", "jpg": b"a", "cls": b"1"}])
    assert len(opened(shards, "test")) == 1
    (photos / "train").rename(shards / "train")
    assert opened(shards).shards is not None


def test_hash_is_of_names_sizes_and_labels(shards, write_shard):
    one = opened(shards)
    assert pickle.loads(pickle.dumps(one)).content_hash == one.content_hash
    hashes = {one.content_hash, one.take(20).content_hash}
    base = {"__key__": "ant00", "jpg": b"image", "cls": b"0"}
    for change in ({}, {"__key__": "ant01"}, {"jpg": b"image!"}, {"cls": b"1"}):
        write_shard(shards / "train-000000.tar", [{**base, **change}])
        hashes.add(opened(shards).content_hash)
    assert len(hashes) == 6


def test_every_cut_is_noticed(shards):
    """Cut anywhere, a shard is refused, unless only the padding behind its end is gone."""
    path = shards / "train-000001.tar"
    whole, data = index_shard(path), path.read_bytes()
    end = -(-len(data.rstrip(b"\0")) // 512) * 512
    assert len(data) - end > 1024
    for length in range(0, len(data) + 1, 256):
        path.write_bytes(data[:length])
        if length < end + 512:
            with pytest.raises(
                InputError, match=r"train-000001\.tar: can't be read as a tar file \(.+\): get the shard"
            ):
                index_shard(path)
            continue
        found = index_shard(path)
        assert found.keys == whole.keys
        assert np.array_equal(found.offsets, whole.offsets)


def test_a_broken_header_is_not_the_end(tmp_path):
    path = tmp_path / "train-0.tar"
    write_tar(path, {f"{key}.{suffix}": b"0" for key in "abc" for suffix in ("cls", "jpg")}, tarfile.USTAR_FORMAT)
    data = bytearray(path.read_bytes())
    start = data.index(b"b.cls")
    data[start + 100] ^= 1  # the header's checksum is wrong
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"can't be read as a tar file \(cut off or damaged at byte {start}\)"):
        index_shard(path)


GOOD = {"__key__": "good", "jpg": b"good", "cls": b"0"}


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"__key__": "a", "jpg": b"a"}, r"train-000000\.tar sample a: has neither \.cls nor \.json: one must hold"),
        ({"__key__": "a", "cls": b"0"}, r"train-000000\.tar sample a: has \.cls: it must have one image \(\.jpg, "),
        ({"__key__": "a", "jpg": b"a", "png": b"a", "cls": b"0"}, r"sample a: has .*: it must have one image"),
        ({"__key__": "a", "jpg": b"a", "cls": b"ant"}, r"sample a: its \.cls is b'ant': it must be a number"),
        ({"__key__": "a", "jpg": b"a", "cls": b""}, r"sample a: its \.cls is b''"),
        ({"__key__": "a", "jpg": b"a", "cls": b"1" * 4000}, r"sample a: its \.cls is b'11111111111111111111': "),
        ({"__key__": "a", "jpg": b"a", "cls": b"2"}, r"sample a: has label 2 where there are 2 classes: correct"),
        ({"__key__": "a", "jpg": b"a", "cls": b"-1"}, "sample a: has label -1"),
        (GOOD, r"train-000000\.tar: holds good\.\w+ twice: make the shard anew"),
    ],
)
def test_refuses_samples(shards, sample, message, write_shard):
    write_shard(shards / "train-000000.tar", [GOOD, sample])
    with pytest.raises(InputError, match=message) as caught:
        opened(shards)
    assert "\n" not in str(caught.value)


def test_a_label_alone_makes_no_million_classes(shards, write_shard):
    (shards / "classes.txt").unlink()
    write_shard(shards / "train-000000.tar", [{**GOOD, "cls": b"99999999"}])
    with pytest.raises(InputError, match="it must be a number, of six digits at most"):
        opened(shards)


def test_refuses_missing_shards(shards):
    (shards / "train-00.tar").write_bytes(b"")
    with pytest.raises(InputError, match=r"train shards are not complete \(number 0 is there twice, see train-0"):
        opened(shards)
    (shards / "train-00.tar").unlink()
    (shards / "train-000001.tar").unlink()
    with pytest.raises(InputError, match=r"not complete \(number 1 is missing, see train-000002\.tar\)"):
        opened(shards)
    for path in shards.glob("train-*.tar"):
        path.unlink()
    with pytest.raises(InputError, match=r"shards: has shards but no train-000000\.tar: add the train shards"):
        opened(shards)
    for path in shards.glob("val-*.tar"):
        path.unlink()
    assert open_encoded(shards, "x", 8) is None
    (shards / "train-000000.tar").write_bytes(b"")
    with pytest.raises(InputError, match=r"shards: has shards but no val-000000\.tar: add the val shards"):
        opened(shards)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (b"ant\n\nbee\n", r"classes\.txt: has an empty line: write one class name a line"),
        (b"", r"classes\.txt: has an empty line"),
        (b"\xff\xfe", r"classes\.txt: can't be read as text in UTF-8 \("),
    ],
)
def test_refuses_class_names(shards, names, message):
    (shards / "classes.txt").write_bytes(names)
    with pytest.raises(InputError, match=message):
        opened(shards)


def test_refuses_other_files(shards):
    path = shards / "train-000000.tar"
    for data in (b"", b"no tar file" * 1000, b"\0" * 10240):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"train-000000\.tar: (can't be read as a tar file|holds no sample)"):
            opened(shards)


def test_a_shard_that_changes_is_noticed(shards):
    one = opened(shards)
    path = shards / "train-000000.tar"
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(InputError, match=r"train-000000\.tar sample ant00: the shard is shorter than it was"):
        one.read(0)
    path.unlink()
    with pytest.raises(InputError, match=r"train-000000\.tar: can't be read \(No such file"):
        one.read(0)


@pytest.mark.parametrize("form", ["{split}-{number:04}", "imagenet-{split}-{number:06}", "set_{split}_{number}"])
@pytest.mark.parametrize("test", ["val", "validation", "test"])
def test_names_that_writers_give(shards, form, test):
    before = [image.labels.tolist() for image in (opened(shards), opened(shards, "test"))]
    for path in list(shards.glob("*.tar")):
        split, number = path.stem.split("-")
        split = test if split == "val" else split
        path.rename(shards / f"{form.format(split=split, number=int(number))}.tar")
    assert [image.labels.tolist() for image in (opened(shards), opened(shards, "test"))] == before


def test_labels_in_json(tmp_path, encode):
    image = encode(0)
    for record in ('{"label": 1}', '{"cls": 1, "caption": "a bee"}', '{"class_id": 1}'):
        write_tar(tmp_path / "train-0.tar", {"a.jpg": image, "a.json": record.encode()})
        write_tar(tmp_path / "val-0.tar", {"a.jpg": image, "a.cls": b"0", "a.json": record.encode()})
        assert (opened(tmp_path).labels.tolist(), opened(tmp_path, "test").labels.tolist()) == ([1], [0])


@pytest.mark.parametrize("record", ["{", "[]", "{}", '{"label": "bee"}', '{"label": true}', '{"label": 12345678}'])
def test_refuses_json_without_a_number(tmp_path, encode, record):
    write_tar(tmp_path / "val-0.tar", {"a.jpg": encode(0), "a.cls": b"0"})
    write_tar(tmp_path / "train-0.tar", {"a.jpg": encode(0), "a.json": record.encode()})
    with pytest.raises(InputError, match=r"train-0\.tar sample a: its \.json (must hold the number|can't be read)"):
        opened(tmp_path)


def test_shards_of_two_sets_and_packed_ones(shards):
    (shards / "train-000000.tar").rename(shards / "other-train-000000.tar")
    with pytest.raises(InputError, match=r"the train shards are of several sets \(, other-\.\.\.\)"):
        opened(shards)
    (shards / "val-000000.tar.gz").write_bytes(b"x")
    with pytest.raises(InputError, match=r"val-000000\.tar\.gz is compressed as a whole.*gunzip"):
        opened(shards)


def test_broken_samples_are_left_out_and_listed(shards, photos, write_shard, encode):
    write_shard(
        shards / "train-000000.tar",
        [
            {"__key__": "a", "jpg": encode(0, (40, 30), form="JPEG")[:400], "cls": b"0"},
            {"__key__": "b", "png": encode(1), "cls": b"1"},
        ],
    )
    whole = opened(shards)
    with pytest.warns(WindowWarning, match=r"1 of \d+ images cannot be decoded and are left out: train-000000\.tar s"):
        data = open_encoded(shards, "x", 8, skip_broken=True)
    assert data is not None
    assert data.left_out == ("train-000000.tar sample a",)
    assert len(data.train) == len(whole) - 1
    assert data.train.labels.tolist() == whole.labels.tolist()[1:]
