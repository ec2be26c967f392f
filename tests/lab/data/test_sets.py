from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from windowconv.errors import InputError
from windowconv.lab.data import ImageData, Images, ImageSet, in_memory


def make(labels: list[int], classes: int = 3, size: int = 4) -> ImageSet:
    images = torch.arange(len(labels) * size * size).remainder(251).to(torch.uint8).view(-1, 1, size, size)
    return ImageSet(images, torch.tensor(labels), tuple("abcdefgh"[:classes]))


PIXELS = torch.zeros(2, 1, 3, 3, dtype=torch.uint8)
LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (PIXELS.float(), LABELS, "images.dtype=torch.float32; allowed: torch.uint8"),
        (PIXELS[0], LABELS, r"images.shape=\(1, 3, 3\); allowed: \(N, C, H, W\)"),
        (PIXELS[:0], LABELS[:0], r"images.shape=\(0, 1, 3, 3\)"),
        (PIXELS, LABELS.int(), "labels.dtype=torch.int32; allowed: torch.int64"),
        (PIXELS, LABELS[:1], r"labels.shape=\(1,\); allowed: \(2,\)"),
        (PIXELS, torch.tensor([0, 2]), r"labels\[1\]=2: with 2 classes a label must lie in \[0, 2\)"),
        (PIXELS, torch.tensor([-1, 5]), r"labels\[0\]=-1"),
    ],
)
def test_set_refuses_what_does_not_fit(images, labels, message):
    with pytest.raises(InputError, match=message):
        ImageSet(images, labels, ("x", "y"))


def test_hash_sees_shape_images_and_labels():
    one = make([0, 1, 2])
    again = make([0, 1, 2])
    assert one.content_hash == again.content_hash
    assert re.fullmatch("[0-9a-f]{64}", one.content_hash)
    other_pixel = one.images.clone()
    other_pixel[2, 0, 3, 3] += 1
    hashes = {
        one.content_hash,
        ImageSet(other_pixel, one.labels, one.classes).content_hash,
        ImageSet(one.images, torch.tensor([0, 1, 1]), one.classes).content_hash,
        ImageSet(one.images.view(3, 1, 2, 8), one.labels, one.classes).content_hash,
    }
    assert len(hashes) == 4
    # A set that isn't contiguous has the hash of its values.
    turned = ImageSet(one.images.transpose(2, 3), one.labels, one.classes)
    assert turned.content_hash == ImageSet(turned.images.contiguous(), one.labels, one.classes).content_hash
    assert one.content_hash is one.content_hash


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    seed=st.integers(0, 5),
    data=st.data(),
)
def test_take_is_balanced_ordered_and_nested(labels, seed, data):
    whole = make(labels, classes=5, size=1)
    n = data.draw(st.integers(1, len(labels)))
    indexed = ImageSet(torch.arange(len(labels)).to(torch.uint8)[:, None, None, None], whole.labels, whole.classes)
    part = indexed.take(n, seed)
    places = part.images.flatten().tolist()
    assert len(part) == n == len(set(places))
    assert places == sorted(places)
    assert part.labels.tolist() == [labels[place] for place in places]
    have, took = np.bincount(labels, minlength=5), np.bincount(part.labels, minlength=5)
    # As balanced as can be: a class with fewer than the largest quota less one has no more to give.
    assert all(took[c] >= took.max() - 1 or took[c] == have[c] for c in range(5))
    assert set(indexed.take(max(1, n - 1), seed).images.flatten().tolist()) <= set(places)
    assert torch.equal(indexed.take(n, seed).images, part.images)


def test_take_differs_by_seed_and_takes_all():
    whole = make([0, 1, 2] * 50)
    assert whole.take(None) is whole
    assert torch.equal(whole.take(150).images, whole.images)
    assert whole.take(30, 0).content_hash != whole.take(30, 1).content_hash
    # Which class goes short is left to chance.
    assert len({tuple(np.bincount(whole.take(4, seed).labels)) for seed in range(20)}) == 3


@pytest.mark.parametrize("n", [0, -1, 4])
def test_take_refuses(n):
    with pytest.raises(InputError, match=f"n={n}: a subset of 3 images has 1 to 3"):
        make([0, 1, 2]).take(n)


@given(
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=5).filter(lambda counts: sum(counts) > 1),
    fraction=st.floats(0.01, 0.9),
    seed=st.integers(0, 5),
)
def test_split_parts_the_set_and_holds_out_every_classs_share(counts, fraction, seed):
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    whole = ImageSet(
        torch.arange(len(labels)).to(torch.uint8)[:, None, None, None],
        torch.tensor(labels),
        tuple("abcde"[: len(counts)]),
    )
    n = max(1, round(fraction * len(labels)))
    if n == len(labels):
        with pytest.raises(InputError, match="it leaves none"):
            whole.split(fraction, seed)
        return
    parts = whole.split(fraction, seed)
    places = [part.images.flatten().tolist() for part in parts]
    assert sorted(places[0] + places[1]) == list(range(len(labels)))
    assert len(places[1]) == n
    assert all(part.labels.tolist() == [labels[i] for i in chosen] for part, chosen in zip(parts, places, strict=True))
    assert all(chosen == sorted(chosen) for chosen in places)
    for label, count in enumerate(counts):
        assert abs(int((parts[1].labels == label).sum()) - n * count / len(labels)) < 1.5
    again = whole.split(fraction, seed)
    assert [part.content_hash for part in again] == [part.content_hash for part in parts]


def test_split_differs_by_seed_and_from_take():
    whole = make([0, 1, 2] * 50)
    held_out = {whole.split(0.2, seed)[1].content_hash for seed in (0, 1)}
    assert len({*held_out, whole.take(30).content_hash}) == 3


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 1.5, float("nan")])
def test_split_refuses(fraction):
    with pytest.raises(InputError, match=f"fraction={fraction}; allowed: a number between 0 and 1"):
        make([0, 1, 2]).split(fraction)
    with pytest.raises(InputError, match=r"fraction=0\.1; allowed: less, as of 1 images it leaves none"):
        make([0]).split(0.1)


def test_in_memory_refuses_what_is_not():
    class Streamed:
        labels, classes, shape, content_hash = LABELS, ("a", "b"), (3, 8, 8), ""

    one = make([0, 1])
    some: Images = one
    assert in_memory(some) is one
    with pytest.raises(InputError, match="the images are streamed from disk: this needs them in memory"):
        in_memory(Streamed())


def test_data_holds_two_sets_that_fit():
    train, test = make([0, 1, 2]), make([2, 1])
    data = ImageData("letters", train, test)
    assert (data.channels, data.image_size, data.classes) == (1, (4, 4), ("a", "b", "c"))
    assert train.shape == (1, 4, 4)
    assert len({data.content_hash, ImageData("x", test, train).content_hash, train.content_hash}) == 3
    assert ImageData("renamed", train, test).content_hash == data.content_hash
    with pytest.raises(InputError, match=r"data 'letters': train images are \(1, 4, 4\), test images \(1, 5, 5\)"):
        ImageData("letters", train, make([0], size=5))
    with pytest.raises(InputError, match="train has 3 classes, test 2"):
        ImageData("letters", train, make([0], classes=2))
