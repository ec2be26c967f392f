"""Small sets on disk: the same images as files and as shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from webdataset.writer import TarWriter

Sample = dict[str, bytes | str]


@pytest.fixture
def write_shard() -> Callable[[Path, Sequence[Sample]], None]:
    """A shard as the package webdataset writes it; a sample is its members by suffix, and its `__key__`."""

    def write(path: Path, samples: Sequence[Sample]) -> None:
        with TarWriter(str(path), encoder=False) as writer:
            for sample in samples:
                writer.write(sample)

    return write


@pytest.fixture
def photos(tmp_path: Path, encode: Callable[..., bytes]) -> Path:
    """train/ and val/ with classes ant and bee, of 12 and 9, and 4 and 3 images of several sizes and forms."""
    for split, counts in (("train", (12, 9)), ("val", (4, 3))):
        for label, class_name in enumerate(("ant", "bee")):
            folder = tmp_path / "photos" / split / class_name
            folder.mkdir(parents=True)
            for index in range(counts[label]):
                size = (20 + 3 * index, 30 - 2 * index)
                form, suffix = (("JPEG", "JPEG"), ("PNG", "png"))[index % 5 == 4]
                data = encode(1000 * len(split) + 100 * label + index, size, form=form)
                (folder / f"{index:02}.{suffix}").write_bytes(data)
    return tmp_path / "photos"


@pytest.fixture
def shards(photos: Path, tmp_path: Path, write_shard: Callable[[Path, Sequence[Sample]], None]) -> Path:
    """The photos in their order, as shards of 4 samples, with the classes' names."""
    goal = tmp_path / "shards"
    goal.mkdir()
    for split in ("train", "val"):
        files = sorted((photos / split).rglob("*.*"))
        samples: list[Sample] = [
            {
                "__key__": f"{file.parent.name}{file.stem}",
                "png" if file.suffix == ".png" else "jpg": file.read_bytes(),
                "cls": str(int(file.parent.name == "bee")).encode(),
            }
            for file in files
        ]
        for number in range(0, len(samples), 4):
            write_shard(goal / f"{split}-{number // 4:06}.tar", samples[number : number + 4])
    (goal / "classes.txt").write_text("ant\nbee\n")
    return goal
