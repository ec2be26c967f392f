from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets, transforms

from windowconv.errors import InputError
from windowconv.lab.data import Images, in_memory, load
from windowconv.lab.data.pixels import decode


def same_as_torchvision(ours: Images, folder: Path, transform=None) -> None:
    theirs = datasets.ImageFolder(str(folder), transform)
    assert ours.classes == tuple(theirs.classes)
    assert ours.labels.tolist() == theirs.targets
    pixels = np.stack([np.asarray(image) for image, _ in theirs]).transpose(0, 3, 1, 2)
    assert torch.equal(in_memory(ours).images, torch.from_numpy(pixels))


def test_folder_equals_torchvisions(image_folder):
    (image_folder / "train" / "ant" / "deeper").mkdir()
    shutil.copy(image_folder / "train" / "bee" / "0.png", image_folder / "train" / "ant" / "deeper" / "Z.PNG")
    (image_folder / "train" / "ant" / "notes.txt").write_text("no image")
    (image_folder / "train" / ".hidden").mkdir()
    data = load(image_folder)
    assert (data.name, data.classes, data.channels, data.image_size) == ("insects", ("ant", "bee"), 3, (8, 8))
    shutil.rmtree(image_folder / "train" / ".hidden")
    same_as_torchvision(data.train, image_folder / "train")
    same_as_torchvision(data.test, image_folder / "val")


@pytest.mark.parametrize("size", [(20, 11), (11, 20), (16, 16), (9, 200), (7, 9)])
@pytest.mark.parametrize("image_size", [7, 12])
def test_resizing_equals_torchvisions(image_folder, encode, size, image_size):
    (image_folder / "train" / "ant" / "0.png").write_bytes(encode(1, size))
    data = load(image_folder, image_size=image_size)
    steps = transforms.Compose([transforms.Resize(image_size), transforms.CenterCrop(image_size)])
    same_as_torchvision(data.train, image_folder / "train", steps)
    assert data.test.shape == (3, image_size, image_size)


def test_grey_only_if_all_are_grey(image_folder, encode):
    files = sorted(image_folder.rglob("*.png"))
    for index, file in enumerate(files):
        file.write_bytes(encode(index, mode="L"))
    grey = load(image_folder)
    assert grey.channels == 1
    assert torch.equal(in_memory(grey.train).images[0, 0], torch.from_numpy(np.array(Image.open(files[0]))))
    files[-1].write_bytes(encode(7))
    mixed = load(image_folder)
    assert mixed.channels == 3
    assert torch.equal(in_memory(mixed.train).images, in_memory(grey.train).images.expand(-1, 3, -1, -1))


@pytest.mark.parametrize("mode", ["1", "LA", "P", "RGBA"])
def test_other_modes_become_rgb(image_folder, encode, mode):
    file = image_folder / "train" / "ant" / "0.png"
    file.write_bytes(encode(3, mode=mode))
    want = np.array(Image.open(file).convert("RGB")).transpose(2, 0, 1)
    assert torch.equal(in_memory(load(image_folder).train).images[0], torch.from_numpy(want))


def test_test_folder_will_do_and_val_goes_first(image_folder):
    shutil.copytree(image_folder / "val", image_folder / "test")
    (image_folder / "test" / "ant" / "1.png").unlink()
    assert len(load(image_folder).test) == 4
    shutil.rmtree(image_folder / "val")
    assert len(load(image_folder).test) == 3


def cut(folder: Path) -> None:
    file = folder / "val" / "bee" / "1.png"
    file.write_bytes(file.read_bytes()[:-60])


def deep(folder: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(folder / "train" / "ant" / "1.png")


def larger(folder: Path) -> None:
    Image.new("RGB", (9, 8)).save(folder / "val" / "ant" / "0.png")


def emptied(folder: Path) -> None:
    for file in (folder / "val" / "ant").iterdir():
        file.unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "train/ant/2.png").write_text("x"), r"train/ant/2\.png: the image can't be decoded \("),
        (cut, r"val/bee/1\.png: the image can't be decoded \(.*\): replace or remove it"),
        (deep, r"train/ant/1\.png: has PIL mode I;16: convert it to 8 bits a channel"),
        (larger, r"val/ant/0\.png: is 9x8 where the first image is 8x8: pass --image-size"),
        (emptied, r"val/ant: holds no image \(.jpg"),
        (lambda f: shutil.rmtree(f / "val"), r"insects: has neither val/ nor test/: put the test images into"),
        (lambda f: shutil.rmtree(f / "train"), r"insects: has no train/"),
        (lambda f: shutil.rmtree(f / "val/ant"), r"different classes \('ant' is only in train/\)"),
        (lambda f: (f / "val/cat").mkdir(), r"different classes \('cat' is only in val/\)"),
        (lambda f: [shutil.rmtree(f / "train" / c) for c in ("ant", "bee")], "train: has no class folders"),
        (lambda f: [shutil.rmtree(f / s) for s in ("train", "val")], "insects: holds neither train/ and val/"),
    ],
)
def test_refuses(image_folder, spoil, message):
    spoil(image_folder)
    with pytest.raises(InputError, match=message) as caught:
        load(image_folder)
    assert "\n" not in str(caught.value)


def test_too_large_for_memory(image_folder, monkeypatch):
    monkeypatch.setattr(decode, "MAX_BYTES", 10 * 3 * 8 * 8)
    load(image_folder)
    monkeypatch.setattr(decode, "MAX_BYTES", 10 * 3 * 8 * 8 - 1)
    with pytest.raises(InputError, match=r"10 images of 3x8x8 take .* pass --image-size 7 or smaller"):
        load(image_folder)
    assert load(image_folder, image_size=7).image_size == (7, 7)
    with pytest.raises(InputError, match="image_size=8: 10 images of 3x8x8 take"):
        load(image_folder, image_size=8)


def test_threads_give_the_same_and_the_first_failure(image_folder, encode, monkeypatch):
    for index in range(200):
        (image_folder / "train" / "ant" / f"more{index:03}.png").write_bytes(encode(index))
    one = load(image_folder)
    monkeypatch.setattr(decode, "WORTH_A_THREAD", 0)
    assert load(image_folder).content_hash == one.content_hash
    for index in (90, 180):
        (image_folder / "train" / "ant" / f"more{index:03}.png").write_text("x")
    with pytest.raises(InputError, match="more090"):
        load(image_folder)


def test_real_images(data_root, tmp_path):
    """A few images of each class of Imagenette, decoded and resized as torchvision does."""
    for split in ("train", "val"):
        for folder in sorted((data_root / "imagenette" / split).iterdir())[:4]:
            goal = tmp_path / "some" / split / folder.name
            goal.mkdir(parents=True)
            for file in sorted(folder.iterdir())[:5]:
                shutil.copy(file, goal)
    data = load(tmp_path / "some", image_size=64)
    steps = transforms.Compose([transforms.Resize(64), transforms.CenterCrop(64)])
    same_as_torchvision(data.train, tmp_path / "some" / "train", steps)
    same_as_torchvision(load(tmp_path / "some").test, tmp_path / "some" / "val")
