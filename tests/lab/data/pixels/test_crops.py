from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import ks_2samp
from torchvision import transforms
from torchvision.transforms import functional

from windowconv.errors import InputError
from windowconv.lab.data.pixels import crops
from windowconv.lab.data.pixels.crops import (
    AreaCrop,
    check_area_crop,
    draw_area_crop,
    evaluation_crop,
    read_area_crop,
    read_centre,
)

AREA, ASPECT = (0.1, 1.0), (0.8, 1.25)


@pytest.mark.parametrize("size", [(375, 500), (90, 200)])  # hardly ever, and often drawn again
@pytest.mark.parametrize(("area", "aspect"), [(AREA, ASPECT), ((0.25, 0.9), (3 / 4, 4 / 3))])
def test_same_distribution_as_torchvisions(size, area, aspect):
    image = torch.empty(3, *size)
    theirs = np.array([transforms.RandomResizedCrop.get_params(image, list(area), list(aspect)) for _ in range(2500)])
    ours = np.array([draw_area_crop(3, 1, index, size, area, aspect) for index in range(2500)])
    for figure in (
        lambda top, left, height, width: height * width,
        lambda top, left, height, width: width / height,
        lambda top, left, height, width: top,
        lambda top, left, height, width: left,
    ):
        compared: Any = ks_2samp(figure(*ours.T[:4]), figure(*theirs.T))
        assert compared.pvalue > 1e-3
    assert abs(ours[:, 4].mean() - 0.5) < 0.04
    assert abs(np.corrcoef(ours[:, 4], ours[:, 1])[0, 1]) < 0.08


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    area=st.tuples(st.floats(1e-4, 1), st.floats(1e-4, 1)).map(lambda bounds: tuple(sorted(bounds))),
    aspect=st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)).map(lambda bounds: tuple(sorted(bounds))),
    index=st.integers(0, 10**7),
)
def test_the_crop_lies_within_the_image(height, width, area, aspect, index):
    crop = draw_area_crop(1, 2, index, (height, width), area, aspect)
    assert 0 <= crop.top <= crop.top + crop.height <= height
    assert 0 <= crop.left <= crop.left + crop.width <= width
    assert crop.height > 0
    assert crop.width > 0


@pytest.mark.parametrize("size", [(100, 300), (300, 100), (100, 110), (7, 101)])
@pytest.mark.parametrize("aspect", [(1.0, 1.0), (0.8, 1.2)])
def test_the_fallback_is_torchvisions(size, aspect):
    # No rectangle of four times the image's area lies within it: the fallback is all that is left.
    theirs = transforms.RandomResizedCrop.get_params(torch.empty(3, *size), [4.0, 4.0], list(aspect))
    assert draw_area_crop(0, 0, 0, size, (4.0, 4.0), aspect)[:4] == theirs


def test_a_crop_depends_on_seed_epoch_and_index_only():
    torch.manual_seed(5)
    base = draw_area_crop(1, 2, 3, (375, 500))
    torch.manual_seed(6)
    assert draw_area_crop(1, 2, 3, (375, 500)) == base
    others = [(2, 1, 3), (1, 3, 2), (3, 2, 1), (1, 2, 4), (0, 3, 3), (1, 3, 3)]
    assert len({base, *(draw_area_crop(*other, (375, 500)) for other in others)}) == 7
    # A run that was begun with an earlier version is to go on with the same crops.
    assert base == AreaCrop(top=18, left=179, height=311, width=298, flip=False)


@pytest.mark.parametrize("size", [(20, 11), (11, 20), (16, 16), (9, 200), (7, 9), (500, 375), (256, 300)])
@pytest.mark.parametrize("side", [1, 7, 64, 224])
def test_evaluation_crop_equals_torchvisions(encode, size, side):
    image = Image.open(io.BytesIO(encode(1, size)))
    steps = transforms.Compose([transforms.Resize(round(side * 256 / 224)), transforms.CenterCrop(side)])
    want = np.asarray(steps(image))
    assert np.array_equal(np.asarray(evaluation_crop(image, side)), want)
    assert np.array_equal(read_centre(encode(1, size), "here", side), want)


@pytest.mark.parametrize("crop", [AreaCrop(10, 20, 60, 70, False), AreaCrop(3, 0, 97, 120, True)])
@pytest.mark.parametrize("side", [16, 80])
def test_an_area_crop_equals_torchvisions_within(encode, crop, side):
    """Within: at its border ours sees the image around the crop, while torchvision's ends there."""
    data = encode(2, (120, 100))
    want = functional.resized_crop(Image.open(io.BytesIO(data)), *crop[:4], [side, side], antialias=True)
    want = functional.hflip(want) if crop.flip else want
    got = read_area_crop(data, "here", side, lambda size: crop)
    inside = slice(2, -2)
    assert np.abs(got.astype(int) - np.asarray(want))[inside, inside].max() <= 1
    assert got.shape == (side, side, 3)


def smooth(width: int, height: int) -> bytes:
    """A JPEG without fine structure."""
    v, u = np.mgrid[:height, :width]
    waves = [128 + 100 * np.sin(u / 37 + channel) * np.cos(v / 53 - channel) for channel in range(3)]
    data = io.BytesIO()
    Image.fromarray(np.stack(waves, -1).astype(np.uint8)).save(data, "JPEG", quality=95)
    return data.getvalue()


@pytest.mark.parametrize(("side", "scale"), [(18, 8), (19, 4), (37, 4), (38, 2), (75, 2), (76, 1), (150, 1), (301, 1)])
def test_a_jpeg_is_decoded_as_small_as_can_be(monkeypatch, side, scale):
    """The crop is 300 pixels high: twice what is needed must remain."""
    sizes = []

    def spy(*arguments):
        image = open_image(*arguments)
        sizes.append(image.size)
        return image

    open_image = crops.open_image
    data, crop = smooth(605, 403), AreaCrop(50, 101, 300, 341, True)
    want = Image.open(io.BytesIO(data)).resize((side, side), Image.Resampling.BILINEAR, box=(101, 50, 442, 350))
    monkeypatch.setattr(crops, "open_image", spy)
    got = read_area_crop(data, "here", side, lambda size: crop)
    assert sizes == [(math.ceil(605 / scale), math.ceil(403 / scale))]
    assert np.abs(got.astype(int) - np.asarray(want)[:, ::-1]).max() <= 3


def test_the_crop_is_drawn_for_the_whole_images_size():
    seen = []

    def draw(size: tuple[int, int]) -> AreaCrop:
        seen.append(size)
        return AreaCrop(0, 0, *size, False)

    read_area_crop(smooth(605, 403), "here", 10, draw)
    assert seen == [(403, 605)]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_all_modes_become_rgb(encode, mode):
    data = encode(3, (20, 20), mode=mode, form="JPEG" if mode == "CMYK" else "PNG")
    want = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(read_area_crop(data, "here", 20, lambda size: AreaCrop(0, 0, *size, False)), want)


@pytest.mark.parametrize("read", [read_centre, lambda *a: read_area_crop(*a, lambda size: AreaCrop(0, 0, 1, 1, False))])
def test_refuses_images(encode, read):
    with pytest.raises(InputError, match=r"^there: the image can't be decoded \(.*\): replace or remove it$"):
        read(encode(0, (40, 40), form="JPEG")[:-200], "there", 8)
    deep = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(deep, "PNG")
    with pytest.raises(InputError, match=r"^there: has PIL mode I;16: convert it"):
        read(deep.getvalue(), "there", 8)


def test_a_mistake_in_drawing_is_no_broken_image(encode):
    with pytest.raises(ZeroDivisionError):
        read_area_crop(encode(0), "here", 8, lambda size: AreaCrop(0, 0, 1 // 0, 1, False))


@pytest.mark.parametrize(
    ("area", "aspect", "message"),
    [
        ((0, 1), ASPECT, r"area=\(0, 1\); allowed: a lower and an upper bound in \(0, 1\]"),
        ((0.5, 0.4), ASPECT, r"area=\(0\.5, 0\.4\)"),
        ((0.5, 1.1), ASPECT, r"area=\(0\.5, 1\.1\)"),
        ((math.nan, 1), ASPECT, r"area=\(nan, 1\)"),
        (AREA, (0, 1), r"aspect=\(0, 1\); allowed: a lower and an upper bound above 0"),
        (AREA, (1.2, 1.1), r"aspect=\(1\.2, 1\.1\)"),
        (AREA, (1, math.inf), r"aspect=\(1, inf\)"),
    ],
)
def test_refuses_bounds(area, aspect, message):
    with pytest.raises(InputError, match=message):
        check_area_crop(area, aspect)


def test_real_images(data_root):
    """Reduced while decoding or not: hardly a difference, and the centre is torchvision's."""
    for folder in sorted((data_root / "imagenette" / "val").iterdir())[:6]:
        file = min(folder.iterdir())
        data = file.read_bytes()
        got = read_area_crop(data, file.name, 32, lambda size: AreaCrop(0, 0, *size, False)).astype(int)
        whole = Image.open(file).convert("RGB")
        want = np.asarray(whole.resize((32, 32), Image.Resampling.BILINEAR))
        assert np.abs(got - want).mean() < 1
        steps = transforms.Compose([transforms.Resize(73), transforms.CenterCrop(64)])
        assert np.array_equal(read_centre(data, file.name, 64), np.asarray(steps(whole)))
