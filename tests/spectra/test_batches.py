"""Images as one tensor or batches; models that cannot be run."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from windowconv.errors import InputError
from windowconv.spectra.batches import image_batches
from windowconv.spectra.forward import device_and_dtype, logits, modules_named, run

IMAGES = torch.rand(10, 3, 4, 4)
LABELS = torch.arange(10)


@pytest.mark.parametrize(
    "given",
    [
        lambda: IMAGES,
        lambda: [IMAGES[:3], IMAGES[3:]],
        lambda: iter([(IMAGES[:7], LABELS[:7]), [IMAGES[7:], LABELS[7:]]]),
        lambda: DataLoader(TensorDataset(IMAGES, LABELS), batch_size=6),
    ],
)
@pytest.mark.parametrize("limit", [None, 5, 10, 99])
def test_all_forms_give_the_same_images_in_batches_of_bounded_size(given, limit):
    parts = list(image_batches(given(), batch_size=4, limit=limit))
    assert all(len(images) <= 4 for images, _ in parts)
    assert torch.equal(torch.cat([images for images, _ in parts]), IMAGES[:limit])
    labels = [labels for _, labels in parts if labels is not None]
    assert not labels or torch.equal(torch.cat(labels), LABELS[:limit])


def test_batches_after_the_limit_are_not_asked_for():
    def endless():
        while True:
            yield IMAGES

    assert sum(len(images) for images, _ in image_batches(endless(), limit=25)) == 25


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (IMAGES[0], {}, r"shape=\(3, 4, 4\); allowed: \(N, C, H, W\)"),
        (torch.rand(2, 3), {"axes": (1, 2)}, r"\(N, C, W\) or \(N, C, H, W\)"),
        (torch.rand(2, 0, 4, 4), {}, "shape"),
        (IMAGES[:0], {}, "images is empty"),
        ([], {}, "images is empty"),
        (["a.png"], {}, "yields str"),
        ("a.png", {}, "images=str"),
        (None, {}, "images=NoneType"),
        (IMAGES.byte(), {}, "uint8; allowed: a floating-point"),
        (torch.full((1, 3, 4, 4), float("nan")), {}, "48 NaN"),
        (IMAGES, {"batch_size": 0}, "batch_size=0"),
        (IMAGES, {"limit": 0}, "limit=0"),
    ],
)
def test_bad_images(images, options, message):
    with pytest.raises(InputError, match=message):
        list(image_batches(images, **options))


def test_a_model_must_have_weights_and_they_must_be_finite():
    assert device_and_dtype(nn.Conv2d(1, 1, 1).double()) == (torch.device("cpu"), torch.float64)
    with pytest.raises(InputError, match="allowed: a network with parameters"):
        device_and_dtype(nn.ReLU())
    with pytest.raises(InputError, match="model=function"):
        device_and_dtype(lambda x: x)
    with pytest.raises(InputError, match="layer '0' has no weights yet"):
        device_and_dtype(nn.Sequential(nn.LazyConv2d(3, 3)))
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    net.get_buffer("1.running_var").fill_(float("inf"))
    with pytest.raises(InputError, match=r"layer '1': running_var has 1 NaN or infinite values"):
        device_and_dtype(net)


def test_what_does_not_go_through_is_named():
    with pytest.raises(InputError, match=r"\(10, 3, 4, 4\); allowed: a shape that the model accepts .*Kernel size"):
        run(nn.Conv2d(3, 1, 7), IMAGES)
    with pytest.raises(InputError, match="one score per class"):
        logits(nn.Conv2d(3, 1, 1), IMAGES)
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    for parameter in net.parameters():
        nn.init.constant_(parameter, 3e38)
    with pytest.raises(InputError, match="scores"):
        logits(net, IMAGES)


def test_a_name_that_is_not_there_is_corrected():
    net = nn.ModuleDict({"conv1": nn.Conv2d(1, 1, 1), "head": nn.Linear(1, 1)})
    assert modules_named(net, ["head"]) == {"head": net["head"]}
    with pytest.raises(InputError, match="did you mean 'conv1'"):
        modules_named(net, ["conv"])
    with pytest.raises(InputError, match="a list of names"):
        modules_named(net, "head")
