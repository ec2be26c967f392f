"""Image folders as they come: hidden files, links in a circle, endings that are not read, broken images."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from windowconv.errors import InputError, WindowWarning
from windowconv.lab.data import in_memory, load


def test_what_programs_leave_behind_is_passed_over(image_folder: Path) -> None:
    before = load(image_folder).content_hash
    ant = image_folder / "train" / "ant"
    for name in (".ipynb_checkpoints", "@eaDir", "__MACOSX", ".hidden"):
        for place in (ant, image_folder / "train", image_folder / "val"):
            (place / name).mkdir()
            shutil.copy(ant / "0.png", place / name / "0.png")
    (ant / "._0.png").write_bytes(b"of a Mac")
    (ant / ".hidden.png").write_bytes(b"x")
    (ant / "Thumbs.db").write_bytes(b"x")
    assert load(image_folder).content_hash == before


def test_a_link_that_leads_back_is_followed_once_at_most(image_folder: Path, encode: Callable[..., bytes]) -> None:
    before = load(image_folder)
    elsewhere = image_folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far.png").write_bytes(encode(5))
    (image_folder / "train" / "ant" / "more").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(image_folder / "train" / "ant")
    (elsewhere / "self").symlink_to(elsewhere)
    assert len(load(image_folder).train) == len(before.train) + 1


def test_endings_that_are_not_read_are_counted_and_named(image_folder: Path) -> None:
    for name in ("a.heic", "b.HEIC", "c.gif", "d.avif", "e.jfif", "notes.txt"):
        (image_folder / "train" / "ant" / name).write_bytes(b"x")
    with pytest.warns(WindowWarning, match=r"ant: images of other kinds are left out \(1 \.avif, 1 \.gif, 2 \.heic, 1"):
        load(image_folder)
    for file in (image_folder / "train" / "ant").glob("*.png"):
        file.unlink()
    with pytest.raises(InputError, match=r"ant: holds no image \(.*\) but 1 \.avif, 1 \.gif, 2 \.heic, 1 \.jfif: add"):
        load(image_folder)


def spoil(folder: Path) -> list[str]:
    cut = folder / "train" / "ant" / "1.png"
    cut.write_bytes(cut.read_bytes()[:-60])
    (folder / "val" / "bee" / "0.png").write_text("no image")
    return ["train/ant/1.png", "val/bee/0.png"]


@pytest.mark.parametrize("stream", [False, True])
def test_bad_images_are_left_out_and_listed(image_folder: Path, stream: bool) -> None:
    whole = load(image_folder, image_size=8, stream=stream)
    names = spoil(image_folder)
    kinds: dict[str, object] = {"image_size": 8, "stream": stream}
    said = r"2 of 10 images cannot be decoded and are left out: train/ant/1\.png, val/bee/0\.png"
    with pytest.warns(WindowWarning, match=said):
        data = load(image_folder, bad_images="skip", **kinds)  # pyright: ignore[reportArgumentType]
    assert list(data.left_out) == names
    assert (len(data.train), len(data.test)) == (len(whole.train) - 1, len(whole.test) - 1)
    if not stream:
        kept = [0, *range(2, len(whole.train))]
        assert torch.equal(in_memory(data.train).images, in_memory(whole.train).images[kept])
        with pytest.raises(InputError, match=r"ant/1\.png: the image can't be decoded"):
            load(image_folder, image_size=8)


def test_nothing_is_said_where_nothing_is_broken(image_folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load(image_folder, bad_images="skip")
    assert (data.left_out, data.content_hash) == ((), load(image_folder).content_hash)


def test_all_broken(image_folder: Path) -> None:
    for file in (image_folder / "val").rglob("*.png"):
        file.write_text("x")
    with pytest.raises(InputError, match="val: none of its images can be decoded"):
        load(image_folder, bad_images="skip")
    with pytest.raises(InputError, match="bad_images='ignore'; allowed: fail, skip"):
        load(image_folder, bad_images="ignore")  # pyright: ignore[reportArgumentType]


def test_truncated_jpegs_are_found_at_reduced_size(tmp_path: Path, encode: Callable[..., bytes]) -> None:
    for split in ("train", "val"):
        for index in range(3):
            file = tmp_path / "photos" / split / "ant" / f"{index}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            data = encode(index, (64, 48), form="JPEG")
            file.write_bytes(data[: len(data) * 2 // 3] if index == 1 else data)
    with pytest.warns(WindowWarning, match=r"2 of 6 images .*: train/ant/1\.jpg, val/ant/1\.jpg"):
        assert len(load(tmp_path / "photos", bad_images="skip").train) == 2
