"""Corruptions are the library's at the size that is said, whatever the batch, growing with severity, in their bands."""

import random
from dataclasses import replace
from pathlib import Path

import imagecorruptions as library
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from natural_pictures import natural_like
from windowconv.errors import InputError
from windowconv.lab.data import in_memory, load
from windowconv.lab.robustness.conditions.bands import BANDS, Spectrum, energy, spectrum
from windowconv.lab.robustness.conditions.corruptions import CORRUPTIONS, GROUPS, SEVERITIES, corrupt

ONE = natural_like(3, seed=1)
NAMES = list(CORRUPTIONS)
Changes = dict[str, list[Tensor]]  # by corruption, one a severity


def change(images: Tensor, name: str, severity: int) -> Tensor:
    return (corrupt(images, name, severity).float() - images.float()) / 255


def all_changes(images: Tensor) -> Changes:
    return {name: [change(images, name, severity) for severity in SEVERITIES] for name in NAMES}


def test_they_are_the_papers() -> None:
    assert library.get_corruption_names("common") == NAMES
    for group in GROUPS:
        expected = library.get_corruption_names(group)
        assert [name for name, entry in CORRUPTIONS.items() if entry.group == group] == expected


@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_the_librarys_size_are_as_the_library_makes_them(name: str) -> None:
    picture = natural_like(1, 224, seed=2)
    assert CORRUPTIONS[name].zoom_at(224) == 1
    made = corrupt(picture, name, 3, seed=5, first=9)[0].permute(1, 2, 0).numpy()
    draws = []

    def function(image: Image.Image, severity: int, **options: int) -> np.ndarray:
        draws.append(np.random.get_state()[1][0])  # noqa: NPY002
        return np.asarray(originals[name](image, severity, **options))

    originals = dict(library.corruption_dict)
    library.corruption_dict[name] = function
    try:
        corrupt(picture, name, 3, seed=5, first=9)
    finally:
        library.corruption_dict[name] = originals[name]
    np.random.seed(draws[0])  # noqa: NPY002
    options = {"seed": int(draws[0])} if name in ("impulse_noise", "glass_blur") else {}
    theirs = np.asarray(originals[name](Image.fromarray(picture[0].permute(1, 2, 0).numpy()), 3, **options), np.float64)
    assert np.abs(made - theirs).max() <= 0.5 + 1e-6  # rounded


@pytest.mark.parametrize("name", NAMES)
def test_a_pictures_random_numbers_are_its_own(name: str) -> None:
    whole = corrupt(ONE, name, 4, seed=3, first=10)
    again = torch.cat([corrupt(ONE[:1], name, 4, seed=3, first=10), corrupt(ONE[1:], name, 4, seed=3, first=11)])
    assert torch.equal(whole, again)
    same = ONE[:1].repeat(2, 1, 1, 1)
    drawn = corrupt(same, name, 4)
    changes = name not in {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"}
    assert torch.equal(drawn[0], drawn[1]) is not changes
    assert torch.equal(drawn[0], corrupt(same, name, 4, seed=1)[0]) is not changes


@pytest.mark.parametrize("name", NAMES)
def test_global_random_numbers_go_on_as_if_nothing_had_been(name: str) -> None:
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    random.seed(5)
    before = np.random.get_state()[1].copy(), torch.get_rng_state(), random.getstate()  # noqa: NPY002
    corrupt(ONE[:1], name, 1)
    assert (np.random.get_state()[1] == before[0]).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])
    assert random.getstate() == before[2]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("size", "channels"), [((8, 8), 3), ((28, 28), 1), ((32, 32), 3), ((37, 64), 1), ((96, 96), 3)]
)
def test_any_size_grey_or_coloured(name: str, size: tuple[int, int], channels: int) -> None:
    picture = natural_like(1, max(size), channels)[:, :, : size[0], : size[1]]
    for severity in (1, 5):
        made = corrupt(picture, name, severity)
        assert made.shape == picture.shape
        assert made.dtype == torch.uint8
        assert not torch.equal(made, picture)


@pytest.fixture(scope="module")
def changes() -> Changes:
    return all_changes(natural_like(12, seed=6))


@pytest.mark.parametrize("name", NAMES)
def test_severities_grow(name: str, changes: Changes) -> None:
    sizes = [change.square().mean().sqrt().item() for change in changes[name]]
    assert sizes[0] > 0.003
    assert sizes[-1] > 1.2 * sizes[0]
    assert sizes[-1] == pytest.approx(max(sizes), rel=0.1)


@pytest.mark.parametrize("name", [name for name in NAMES if CORRUPTIONS[name].zoom > 1])
def test_enlarging_and_averaging_back_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(library.corruption_dict, name, lambda image, severity, **_: image)
    for size in (28, 32, 64):
        picture = natural_like(2, size, 1)
        assert torch.equal(corrupt(picture, name, 1), picture)


@pytest.mark.parametrize("name", NAMES)
def test_zooms_and_shares_end_at_the_librarys_size(name: str) -> None:
    entry = CORRUPTIONS[name]
    zooms, shares = ([at(size) for size in range(8, 400)] for at in (entry.zoom_at, entry.share_at))
    assert set(zooms[: 33 - 8]) == {entry.zoom}
    assert set(shares[: 33 - 8]) == {entry.share}
    assert all(zoom % 2 == 1 for zoom in zooms)
    assert sorted(zooms, reverse=True) == zooms
    assert sorted(shares) == shares
    assert set(zooms[224 - 8 :]) == {1}
    assert set(shares[224 - 8 :]) == {1}


@pytest.mark.parametrize("name", ["impulse_noise", "fog", "contrast"])
def test_a_share_of_the_change_is_made(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    part, share = change(ONE, name, 5), CORRUPTIONS[name].share
    assert share < 1
    monkeypatch.setitem(CORRUPTIONS, name, replace(CORRUPTIONS[name], share=1.0))
    torch.testing.assert_close(part, share * change(ONE, name, 5), atol=1.01 / 255, rtol=0)  # both rounded


def of_all_severities(by_severity: list[Tensor]) -> Spectrum:
    total = torch.stack([energy(change) for change in by_severity]).sum(0)
    return spectrum(total, sum(change.numel() for change in by_severity))


def test_bands_are_those_of_pictures_that_are_like_natural_ones(changes: Changes) -> None:
    for name, by_severity in changes.items():
        found = of_all_severities(by_severity)
        low, high = BANDS[CORRUPTIONS[name].band]
        assert found.median is not None
        assert low <= found.median <= 1.1 * high, (name, found)  # zoom blur lies at its band's end


@pytest.mark.slow
def test_bands_are_those_of_two_in_three_kinds_of_pictures(data_root: Path) -> None:
    real = [in_memory(load(data, data_root).test).take(100).images for data in ("cifar10", "fashion-mnist")]
    for name, entry in CORRUPTIONS.items():
        found = [
            of_all_severities([change(images, name, severity) for severity in SEVERITIES]).band()
            for images in (*real, natural_like(24, seed=6))
        ]
        assert found.count(entry.band) >= 2, (name, found)


def test_noise_is_as_strong_in_grey_pictures_as_in_coloured_ones() -> None:
    grey = natural_like(8, channels=1)
    for name in ("gaussian_noise", "shot_noise", "impulse_noise"):
        coloured = change(grey.expand(-1, 3, -1, -1), name, 3)
        assert change(grey, name, 3).std().item() == pytest.approx(coloured.std().item(), rel=0.1)


UINT8 = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: corrupt(UINT8, "gausian_noise", 1),
            "corruption='gausian_noise'; allowed: .*did you mean 'gaussian_noise'",
        ),
        (lambda: corrupt(UINT8, "fog", 0), "severity=0; allowed: 1, 2, 3, 4 or 5"),
        (lambda: corrupt(UINT8, "fog", 6), "severity=6; allowed"),
        (lambda: corrupt(UINT8, "fog", True), "severity=True; allowed"),
        (lambda: corrupt(UINT8, "fog", 2.5), "severity=2.5; allowed"),
        (lambda: corrupt(UINT8.float(), "fog", 1), r"images: \(1, 3, 32, 32\) of torch.float32; allowed: uint8"),
        (lambda: corrupt(UINT8[0], "fog", 1), r"images: \(3, 32, 32\) of torch.uint8"),
        (lambda: corrupt(UINT8[:, :2], "fog", 1), r"images: \(1, 2, 32, 32\)"),
        (lambda: corrupt(UINT8[:0], "fog", 1), r"images: \(0, 3, 32, 32\)"),
        (
            lambda: corrupt(UINT8[..., :7], "fog", 1),
            "images of 7x32 pixels are too small to corrupt; allowed: 8 and more",
        ),
    ],
)
def test_what_cannot_be_corrupted_is_named(call, message) -> None:
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("name", ["brightness", "contrast", "fog"])
def test_black_and_white_pictures_stay_pictures(name: str, level: int) -> None:
    picture = torch.full((1, 1, 28, 28), level, dtype=torch.uint8)
    assert corrupt(picture, name, 5).shape == picture.shape


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "imagecorruptions", None)
    with pytest.raises(InputError, match=r"this needs imagecorruptions: pip install 'windowconv\[attacks\]'"):
        corrupt(UINT8, "fog", 1)
