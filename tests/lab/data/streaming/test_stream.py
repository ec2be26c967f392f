from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from windowconv.errors import InputError
from windowconv.lab.data import Batch, EncodedSet, StreamLoader, load
from windowconv.lab.data.streaming.stream import SHARDS_TOGETHER, order_by_shards
from windowconv.lab.data.streaming.workers import Reader, Workers

CROPS = {"seed": 5, "augment": "area-crop", "area": (0.2, 0.9), "aspect": (0.7, 1.4)}


def opened(folder: Path, split: str = "train", size: int = 8) -> EncodedSet:
    images = getattr(load(folder, image_size=size, stream=True), split)
    assert isinstance(images, EncodedSet)
    return images


def loader(images: EncodedSet, batch: int = 4, **options) -> StreamLoader:
    return StreamLoader(images, batch, **{"workers": 0, **CROPS, **options})


def same(ours: list[Batch], theirs: list[Batch]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[:3], other[:3], strict=True))
        assert one[3:] == other[3:]


def test_batches_are_crops_by_seed_epoch_and_index(photos):
    images = opened(photos)
    reader = Reader(images, 5, CROPS["area"], CROPS["aspect"])
    for batch in loader(images).epoch(3):
        want = np.stack([reader.read(3, int(index)) for index in batch.indices]).transpose(0, 3, 1, 2)
        assert batch.images.dtype == torch.float32
        assert torch.equal(batch.images, torch.from_numpy(want).float() / 255)
        assert torch.equal(batch.labels, images.labels[batch.indices])
        assert (batch.total, batch.weight) == (len(batch.labels), 1.0)


def test_every_image_once_in_an_order_of_its_own_epoch(photos):
    stream = loader(opened(photos))
    orders = [torch.cat([batch.indices for batch in stream.epoch(epoch)]).tolist() for epoch in range(2)]
    assert len(stream) == 6
    for epoch, order in enumerate(orders):
        assert sorted(order) == list(range(21))
        assert order == stream.order(epoch).tolist()
    assert orders[0] != orders[1] != list(range(21))
    assert orders[0] != loader(opened(photos), seed=6).order(0).tolist()


def test_crops_differ_by_epoch_and_seed_and_not_by_batch_size(photos):
    images = opened(photos)

    def pixels(epoch: int = 0, batch: int = 21, **options) -> torch.Tensor:
        batches = list(loader(images, batch, **options).epoch(epoch))
        return torch.cat([one.images for one in batches])[torch.cat([one.indices for one in batches]).argsort()]

    base = pixels()
    assert torch.equal(pixels(batch=5), base)
    different = [pixels(1), pixels(seed=6), pixels(augment="none"), pixels(area=(0.1, 0.1))]
    assert all(not torch.equal(a, b) for a in different for b in (base, *different) if a is not b)
    assert torch.equal(pixels(1, augment="none", seed=7), different[2])


@pytest.mark.parametrize("world", [1, 2, 3])
def test_resuming_at_any_batch_goes_on_as_if_not_stopped(shards, world):
    images = opened(shards)
    for rank in range(world):
        stream = loader(images, rank=rank, world=world)
        whole = list(stream.epoch(2))
        for start in range(len(stream) + 1):
            same(list(stream.epoch(2, start)), whole[start:])


def test_what_is_passed_over_is_not_read(photos):
    images = opened(photos)
    stream = loader(images, 3)
    for index in stream.order(0)[:15].tolist():
        Path(images.name(index)).unlink()
    assert len(list(stream.epoch(0, 5))) == 2


@pytest.mark.parametrize(("batch", "world"), [(4, 2), (4, 3), (5, 7), (2, 3), (21, 4)])
@pytest.mark.parametrize("ordered", [False, True])
def test_processes_share_every_batch(photos, batch, world, ordered):
    images = opened(photos)
    whole = list(loader(images, batch, ordered=ordered).epoch(1))
    ranks = [list(loader(images, batch, ordered=ordered, rank=r, world=world).epoch(1)) for r in range(world)]
    for one, *parts in zip(whole, *ranks, strict=True):
        real = [part for part in parts if part.weight]
        for field in range(3):
            assert torch.equal(torch.cat([part[field] for part in real]), one[field])
        for part in parts[len(real) :]:  # stand-ins: the batch's first image
            assert torch.equal(part.images, one.images[:1])
        assert {part.total for part in parts} == {len(one.labels)}
    counted = torch.cat([batch.indices for rank in ranks for batch in rank if batch.weight])
    assert sorted(counted.tolist()) == list(range(21))


def test_workers_do_not_matter_and_are_kept(shards):
    images = opened(shards)
    alone, helped = loader(images), loader(images, workers=2)
    before = torch.get_rng_state()
    same(list(helped.epoch(0)), list(alone.epoch(0)))
    kept = helped._spare
    assert kept is not None
    same(list(helped.epoch(1, 2)), list(alone.epoch(1, 2)))
    assert helped._spare is kept
    # Begun while another epoch goes on, and left before its end.
    one, other = helped.epoch(1), helped.epoch(2)
    got = [next(one), next(other), next(one)]
    want = list(alone.epoch(1))
    same(got, [want[0], next(alone.epoch(2)), want[1]])
    del other
    same(list(one), want[2:])
    same(list(helped.epoch(2)), list(alone.epoch(2)))
    assert torch.equal(torch.get_rng_state(), before)  # nobody else's random numbers were taken


def test_files_and_shards_give_the_same(photos, shards):
    for split in ("train", "test"):
        files, packed = opened(photos, split), opened(shards, split)
        assert torch.equal(files.labels, packed.labels)
        assert files.classes == packed.classes
        for options in ({"ordered": True}, {"ordered": True, "augment": "none"}):
            same(list(loader(files, **options).epoch(1)), list(loader(packed, **options).epoch(1)))


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=9) | st.lists(st.integers(1, 9), min_size=20, max_size=30),
    seed=st.integers(0, 100),
    epoch=st.integers(0, 100),
)
def test_shards_come_in_groups(sizes, seed, epoch):
    shards = np.repeat(2 * np.arange(len(sizes)), sizes)  # as in a subset that has lost every other one
    order = order_by_shards(shards, seed, epoch)
    assert sorted(order.tolist()) == list(range(len(shards)))
    came = shards[order.numpy()].tolist()
    group = {shard: place // SHARDS_TOGETHER for place, shard in enumerate(dict.fromkeys(came))}
    assert [group[shard] for shard in came] == sorted(group[shard] for shard in came)


def test_samples_of_a_group_are_mixed_and_groups_are_random():
    shards = np.repeat(np.arange(20), 50)
    orders = [order_by_shards(shards, 1, epoch) for epoch in range(4)]
    for order in orders:
        groups = [set(shards[part].tolist()) for part in (order[:400], order[400:800], order[800:])]
        assert [len(group) for group in groups] == [8, 8, 4]
        assert len(set(shards[order[:40]].tolist())) == 8
        assert (order[:400].diff() == 1).sum() < 10
    assert len({tuple(sorted(set(shards[order[:400]].tolist()))) for order in orders}) == 4
    assert torch.equal(order_by_shards(shards, 1, 2), orders[2])
    assert not torch.equal(order_by_shards(shards, 2, 1), orders[2])


def test_the_loader_keeps_shards_together(shards):
    images = opened(shards)
    assert images.shards is not None
    assert torch.equal(loader(images).order(3), order_by_shards(images.shards, 5, 3))
    assert loader(images, ordered=True).order(3).tolist() == list(range(21))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_named_in_one_line(photos, workers):
    images = opened(photos)
    stream = loader(images, workers=workers, ordered=True)
    broken = Path(images.name(9))
    broken.write_bytes(broken.read_bytes()[:50])
    batches = stream.epoch(0)
    assert [len(next(batches).labels) for _ in range(2)] == [4, 4]
    with pytest.raises(InputError) as caught:
        next(batches)
    message = str(caught.value)
    assert message.startswith(f"{broken}: the image can't be decoded (")
    assert message.endswith("): replace or remove it")
    assert "\n" not in message
    Image.new("RGB", (9, 9)).save(broken)
    assert len(list(stream.epoch(0))) == 6  # and goes on when it is replaced


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("DataLoader worker (pid 7) is killed. \nmore"), r"DataLoader worker \(pid 7\) is killed"),
        (EOFError(), "EOFError"),
        (ConnectionResetError(104, "Connection reset by peer"), r"\[Errno 104\] Connection reset by peer"),
    ],
)
def test_a_worker_that_dies_is_an_error_in_one_line(photos, error, reason):
    """What torch raises then, by the moment; a mistake of ours keeps its traceback."""
    workers = Workers(Reader(opened(photos), 0, None, None), 2, pin=False)  # none is started as yet
    message = rf"^workers=2: one has died, perhaps for want of memory \({reason}\): give fewer workers .* memory$"
    with pytest.raises(InputError, match=message), workers._alive():
        raise error
    for mistake in (RuntimeError("a mistake"), EOFError("Caught EOFError in DataLoader worker process 0.")):
        with pytest.raises(type(mistake)), workers._alive():
            raise mistake


def test_more_workers_than_cores_are_no_warning(photos, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
    Workers(Reader(opened(photos), 0, None, None), 2, pin=False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("workers", [0, 2])
def test_the_device_does_not_matter(photos, workers):
    images = opened(photos)
    here, there = (list(loader(images, workers=workers, device=device).epoch(1)) for device in ("cpu", "cuda"))
    assert all(part.device.type == "cuda" for batch in there for part in batch[:3])
    same([Batch(*(part.cpu() for part in batch[:3]), *batch[3:]) for batch in there], here)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size=0; allowed: 1 or more"),
        ({"augment": "flip-crop"}, r"augment='flip-crop'; allowed: area-crop, none"),
        ({"area": (0.5, 0.2)}, r"area=\(0\.5, 0\.2\); allowed:"),
        ({"aspect": (0, 1)}, r"aspect=\(0, 1\); allowed:"),
        ({"workers": -1}, "workers=-1; allowed: 0 or more"),
        ({"rank": 3, "world": 3}, "rank=3; allowed with world=3: 0 to 2"),
        ({"device": "gpu"}, r"device='gpu': can't be used \(.*\): try device='cpu'"),
    ],
)
def test_refuses(photos, arguments, message):
    with pytest.raises(InputError, match=message):
        StreamLoader(opened(photos), **{"batch_size": 4, **arguments})


def test_refuses_epochs_at_once(photos):
    for epoch, start in ((-1, 0), (0, 7)):
        with pytest.raises(InputError, match="epoch=-1" if epoch else "start=7; allowed: 0 to 6"):
            loader(opened(photos)).epoch(epoch, start)


def test_real_images(data_root):
    """Centres of Imagenette's images are torchvision's, grey ones among them."""
    images = opened(data_root / "imagenette", "test", 64).take(30)
    steps = transforms.Compose([transforms.Resize(73), transforms.CenterCrop(64), transforms.ToTensor()])
    for batch in StreamLoader(images, 16, ordered=True, workers=0).epoch(0):
        whole = [Image.open(io.BytesIO(images.read(int(index)))).convert("RGB") for index in batch.indices]
        assert torch.equal(batch.images, torch.stack([steps(image) for image in whole]))
        assert torch.bincount(batch.labels).max() <= 3
