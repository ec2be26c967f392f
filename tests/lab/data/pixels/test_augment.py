from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import pad

from windowconv.lab.data.pixels.augment import FlipCrop, draw_flip_crop, draw_flip_shift, flip_crop


def naive(image: torch.Tensor, flip: bool, top: int, left: int, padding: int) -> torch.Tensor:
    """One image at a time: pad, slice, mirror."""
    channels, height, width = image.shape
    padded = torch.zeros(channels, height + 2 * padding, width + 2 * padding, dtype=image.dtype)
    padded[:, padding : padding + height, padding : padding + width] = image
    crop = padded[:, top : top + height, left : left + width]
    return crop.flip(-1) if flip else crop


@given(
    b=st.integers(1, 6),
    c=st.integers(1, 3),
    h=st.integers(1, 9),
    w=st.integers(1, 9),
    padding=st.integers(0, 5),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60)
def test_flip_crop_equals_one_image_at_a_time(b, c, h, w, padding, seed):
    images = torch.randint(1, 256, (b, c, h, w), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    how = draw_flip_crop(b, padding, seed, 3)
    got = flip_crop(images, how)
    want = [naive(images[i], bool(how.flip[i]), int(how.top[i]), int(how.left[i]), padding) for i in range(b)]
    assert torch.equal(got, torch.stack(want))
    assert got.dtype == torch.uint8


def test_every_crop_and_both_flips_are_drawn_evenly():
    n, padding = 40_000, 4
    how = draw_flip_crop(n, padding, seed=0, epoch=0)
    assert abs(how.flip.float().mean() - 0.5) < 4 * 0.5 / n**0.5
    counts = torch.bincount(how.top * 9 + how.left, minlength=81)
    expected = n / 81
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert chi_square < 140  # 80 degrees of freedom: exceeded once in 30000 draws
    # and the flip has nothing to do with the place
    assert abs(torch.corrcoef(torch.stack([how.flip.float(), how.top.float()]))[0, 1]) < 0.03


def test_tables_depend_on_seed_and_epoch_only():
    base = draw_flip_crop(500, 4, seed=1, epoch=2)
    torch.manual_seed(99)
    again = draw_flip_crop(500, 4, seed=1, epoch=2)
    assert all(torch.equal(a, b) for a, b in zip(base[:3], again[:3], strict=True))
    # Neither the sum of the two nor their exchange gives the same numbers.
    for seed, epoch in ((2, 1), (0, 3), (1, 3), (2, 2)):
        assert not torch.equal(draw_flip_crop(500, 4, seed, epoch).top, base.top)


def test_no_change_in_the_middle():
    images = torch.randint(0, 256, (2, 3, 5, 5)).to(torch.uint8)
    middle = FlipCrop(torch.zeros(2, dtype=torch.bool), torch.full((2,), 4), torch.full((2,), 4), 4)
    assert torch.equal(flip_crop(images, middle), images)


@pytest.mark.parametrize(("height", "width"), [(3, 3), (9, 12), (32, 32)])
def test_a_shift_is_a_crop_of_the_reflected_image(height: int, width: int) -> None:
    images = torch.arange(60 * 2 * height * width).view(60, 2, height, width).float()
    how = draw_flip_shift(60, seed=1, epoch=0)
    for image, got, flip, top, left in zip(images, flip_crop(images, how), how.flip, how.top, how.left, strict=True):
        crop = pad(image[None], (2, 2, 2, 2), mode="reflect")[0, :, top : top + height, left : left + width]
        assert torch.equal(got, crop.flip(-1) if flip else crop)


def test_each_image_is_mirrored_in_every_other_epoch() -> None:
    flips = [draw_flip_shift(4000, seed=3, epoch=epoch).flip for epoch in range(4)]
    assert torch.equal(flips[0], ~flips[1])
    assert torch.equal(flips[0], flips[2])
    assert torch.equal(flips[1], flips[3])
    assert abs(flips[0].float().mean() - 0.5) < 0.04
    assert not torch.equal(flips[0], draw_flip_shift(4000, seed=4, epoch=0).flip)
    shifts = torch.cat([torch.stack(draw_flip_shift(4000, 3, epoch)[1:3], 1) for epoch in range(4)])
    counts = torch.bincount(shifts[:, 0] * 5 + shifts[:, 1], minlength=25)
    assert counts.shape == (25,)
    assert (counts - 640).abs().max() < 4 * 640**0.5
