"""Which networks `inspect` opens, and what it says of those that it cannot."""

import sys

import pytest
import torch
from torch import nn

from windowconv import save_weights
from windowconv.errors import InputError
from windowconv.inspection.subject import Subject, open_subject


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A user's own file in the current folder."""
    (tmp_path / "own_networks.py").write_text(
        "from torch import nn\n"
        "def good(): return nn.Sequential(nn.Conv2d(2, 3, 3))\n"
        "net = nn.Conv2d(1, 1, 3)\n"
        "def bad(): raise RuntimeError('no luck')\n"
        "def none(): return 3\n"
        "def dense(): return nn.Linear(2, 2)\n"
    )
    (tmp_path / "broken_file.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    yield
    sys.modules.pop("own_networks", None)


def test_torchvision():
    subject = open_subject("torchvision/resnet18")
    assert (subject.channels, subject.size, subject.trained) == (3, 224, False)
    assert subject.mean == pytest.approx((0.485, 0.456, 0.406))
    assert not subject.model.training


def test_timm():
    subject = open_subject("timm/resnet10t")
    assert (subject.name, subject.channels, subject.weights) == ("timm/resnet10t", 3, "random")


@pytest.mark.usefixtures("module")
def test_a_function_of_the_users_own():
    assert open_subject("own_networks:good").channels == 2
    assert isinstance(open_subject("own_networks:net").model, nn.Conv2d)


@pytest.mark.usefixtures("module")
def test_weights_from_a_file(tmp_path):
    net = nn.Sequential(nn.Conv2d(2, 3, 3))
    save_weights(net, tmp_path / "w.safetensors")
    subject = open_subject("own_networks:good", str(tmp_path / "w.safetensors"))
    assert (subject.weights, subject.trained) == ("w.safetensors", True)
    loaded = subject.model.get_parameter("0.weight")
    torch.testing.assert_close(loaded, net[0].weight)


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("text", "weights", "message"),
    [
        ("nothing", None, "model='nothing'; allowed"),
        ("torchvision/resnet19", None, "model='resnet19'; allowed: .*did you mean"),
        ("timm/resnet10x", None, "model='resnet10x'; allowed"),
        ("own_networks:goood", None, "did you mean 'good'"),
        ("own_networks:bad", None, r"bad\(\) failed: RuntimeError: no luck"),
        ("own_networks:none", None, "returns a int; allowed: a torch.nn.Module"),
        ("own_networks:dense", None, "without convolutions"),
        ("no_such_file:net", None, "importing 'no_such_file' failed"),
        ("broken_file:net", None, "importing 'broken_file' failed: ZeroDivisionError"),
        ("own_networks:good", "pretrained", "weights='pretrained'; allowed: only for torchvision"),
        ("own_networks:good", "absent.pt", "path='absent.pt' not found"),
    ],
)
def test_bad_input(text, weights, message):
    with pytest.raises(InputError, match=message):
        open_subject(text, weights)


def test_normalisation():
    subject = Subject("n", nn.Identity(), 3, 8, (0.5, 0.25, 0.0), (0.5, 0.25, 2.0))
    out = subject.normalize(torch.ones(2, 3, 8, 8))
    assert out[0, :, 0, 0].tolist() == [1.0, 3.0, 0.5]
    assert Subject("n", nn.Identity()).normalize(out) is out
