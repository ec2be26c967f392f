from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from windowconv.errors import InputError
from windowconv.lab.data import DeviceLoader, ImageSet
from windowconv.lab.data.pixels.augment import draw_flip_crop, flip_crop


def make(n: int = 23) -> ImageSet:
    generator = torch.Generator().manual_seed(n)
    images = torch.randint(0, 256, (n, 3, 6, 5), generator=generator).to(torch.uint8)
    return ImageSet(images, torch.arange(n) % 4, ("a", "b", "c", "d"))


def gather(loader: DeviceLoader, epoch: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    batches = list(loader.epoch(epoch, start))
    images, labels, indices = (torch.cat(parts) for parts in list(zip(*batches, strict=True))[:3])
    return images, labels, indices


@given(n=st.integers(1, 30), batch=st.integers(1, 35), augment=st.sampled_from(["none", "flip-crop", "flip-shift"]))
@settings(max_examples=40)
def test_every_image_once_whatever_the_batch_size(n, batch, augment):
    images = make(n)
    loader = DeviceLoader(images, batch, seed=5, augment=augment, padding=2)
    got, labels, indices = gather(loader, 1)
    assert sorted(indices.tolist()) == list(range(n))
    assert torch.equal(labels, images.labels[indices])
    assert [len(b.labels) for b in loader.epoch(1)][:-1] == [batch] * (len(loader) - 1)
    whole = gather(DeviceLoader(images, n, seed=5, augment=augment, padding=2), 1)
    assert all(torch.equal(a, b) for a, b in zip((got, labels, indices), whole, strict=True))


def test_pixels_are_bytes_over_255():
    images = make()
    got, _, indices = gather(DeviceLoader(images, 4, seed=0), 0)
    assert got.dtype == torch.float32
    assert torch.equal(got, images.images[indices].float() / 255)
    assert got.min() >= 0
    assert got.max() <= 1


def test_augmentation_belongs_to_the_image_not_to_its_turn():
    images = make()
    got, _, indices = gather(DeviceLoader(images, 5, seed=3, augment="flip-crop"), 7)
    want = flip_crop(images.images, draw_flip_crop(23, 4, 3, 7)).float() / 255
    assert torch.equal(got, want[indices])
    assert not torch.equal(got, images.images[indices].float() / 255)
    # The order is the same with and without it, so that arms can be compared.
    assert torch.equal(indices, gather(DeviceLoader(images, 5, seed=3), 7)[2])


def test_order_depends_on_seed_and_epoch():
    loader = DeviceLoader(make(), 23, seed=1)
    orders = [loader.order(epoch).tolist() for epoch in range(4)]
    orders += [DeviceLoader(make(), 23, seed=seed).order(1).tolist() for seed in (0, 2)]
    assert len({tuple(order) for order in orders}) == 6
    torch.manual_seed(4)
    assert loader.order(2).tolist() == orders[2]


@pytest.mark.parametrize("drop_last", [False, True])
def test_resuming_goes_on_as_if_not_stopped(drop_last):
    loader = DeviceLoader(make(), 5, seed=1, augment="flip-crop", drop_last=drop_last)
    whole = list(loader.epoch(3))
    assert len(whole) == len(loader) == (4 if drop_last else 5)
    for start in range(len(loader) + 1):
        rest = list(loader.epoch(3, start))
        assert len(rest) == len(loader) - start
        for ours, theirs in zip(rest, whole[start:], strict=True):
            assert all(torch.equal(a, b) for a, b in zip(ours[:3], theirs[:3], strict=True))
            assert ours[3:] == theirs[3:]


def test_ordered_is_the_sets_own_order():
    images = make()
    got, labels, indices = gather(DeviceLoader(images, 4, seed=9, ordered=True), 6)
    assert indices.tolist() == list(range(23))
    assert torch.equal(got, images.images.float() / 255)
    assert torch.equal(labels, images.labels)


def test_batches_do_not_share_memory_with_the_images():
    images = make()
    before = images.content_hash
    for batch in DeviceLoader(images, 4, ordered=True).epoch(0):
        batch.images.zero_()
    assert ImageSet(images.images, images.labels, images.classes).content_hash == before


@given(
    n=st.integers(1, 30),
    batch=st.integers(1, 35),
    world=st.integers(1, 7),
    ordered=st.booleans(),
    drop_last=st.booleans(),
)
@settings(max_examples=40)
def test_processes_share_every_batch(n, batch, world, ordered, drop_last):
    drop_last = drop_last and batch <= n
    options = {"seed": 5, "augment": "flip-crop", "padding": 2, "ordered": ordered, "drop_last": drop_last}
    whole = DeviceLoader(make(n), batch, **options)
    ranks = [DeviceLoader(make(n), batch, rank=rank, world=world, **options) for rank in range(world)]
    assert {len(loader) for loader in ranks} == {len(whole)}
    assert all(one.total == len(one.labels) and one.weight == 1.0 for one in whole.epoch(2))
    for one, *parts in zip(whole.epoch(2), *(loader.epoch(2) for loader in ranks), strict=True):
        sizes = [len(part) for part in torch.tensor_split(one.indices, world)]
        assert [part.weight for part in parts] == [float(size > 0) for size in sizes]
        assert [len(part.labels) for part in parts] == [max(size, 1) for size in sizes]
        assert {part.total for part in parts} == {one.total}
        real = [part for part in parts if part.weight]
        for field in range(3):
            assert torch.equal(torch.cat([part[field] for part in real]), one[field])
        for part in parts[len(real) :]:  # stand-ins: the batch's first image
            assert torch.equal(part.images, one.images[:1])
            assert part.indices == one.indices[0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_the_device_does_not_matter():
    here, there = (
        gather(DeviceLoader(make(), 5, seed=2, augment="flip-crop", device=device), 1) for device in ("cpu", "cuda")
    )
    assert all(b.device.type == "cuda" and torch.equal(a, b.cpu()) for a, b in zip(here, there, strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size=0; allowed: 1 or more"),
        ({"batch_size": 24, "drop_last": True}, "batch_size=24; allowed with drop_last: at most 23"),
        ({"augment": "flipcrop"}, "augment='flipcrop'; allowed: .*did you mean 'flip-crop'"),
        ({"padding": -1}, "padding=-1; allowed: 0 or more pixels"),
        ({"world": 0}, "world=0; allowed: the number of processes, 1 or more"),
        ({"rank": 2, "world": 2}, "rank=2; allowed with world=2: 0 to 1"),
        ({"rank": -1}, "rank=-1; allowed with world=1: 0 to 0"),
        ({"device": "gpu"}, "device='gpu': can't take 0 MiB of images"),
    ],
)
def test_loader_refuses(arguments, message):
    with pytest.raises(InputError, match=message):
        DeviceLoader(make(), **{"batch_size": 4, **arguments})


@pytest.mark.parametrize(
    ("epoch", "start", "message"),
    [(-1, 0, "epoch=-1"), (0, -1, "start=-1; allowed: 0 to 6"), (0, 7, "start=7")],
)
def test_epoch_refuses_at_once(epoch, start, message):
    with pytest.raises(InputError, match=message):
        DeviceLoader(make(), 4).epoch(epoch, start)
