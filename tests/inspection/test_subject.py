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
        "def sized(classes, kind='a'): return nn.Sequential(nn.Conv2d(2, classes, 3))\n"
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


@pytest.mark.parametrize("name", ["fcn_resnet50", "retinanet_resnet50_fpn", "lraspp_mobilenet_v3_large"])
def test_a_network_without_weights_loads_none_into_its_backbone(name, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a download")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    assert open_subject(f"torchvision/{name}").weights == "random"


@pytest.mark.parametrize("name", ["torchvision/resnet18", "timm/resnet10t"])
def test_weights_with_another_number_of_classes(name, tmp_path):
    net = open_subject(name, arguments={"num_classes": 7}).model
    torch.save(nn.DataParallel(net).state_dict(), tmp_path / "w.pt")
    subject = open_subject(name, str(tmp_path / "w.pt"), {"num_classes": 7})
    assert torch.equal(subject.model.get_parameter("fc.weight"), net.get_parameter("fc.weight"))
    with pytest.raises(InputError, match=r"'fc\.weight' with \(7, 512\).*pass --model-args num_classes=N") as caught:
        open_subject(name, str(tmp_path / "w.pt"))
    assert len(str(caught.value)) < 300


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("torchvision/resnet18", {"colours": 3}, "model='torchvision/resnet18' with .*'colours'"),
        ("timm/resnet10t", {"colours": 3}, "model='timm/resnet10t' with .*'colours'"),
        ("own_networks:good", {"k": 3}, r"good\(k=3\) failed: TypeError"),
        ("own_networks:net", {"k": 3}, "model-args={'k': 3} for model='own_networks:net', a network; allowed: only"),
    ],
)
def test_arguments_that_are_not_taken(text, arguments, message):
    with pytest.raises(InputError, match=message):
        open_subject(text, arguments=arguments)


@pytest.mark.usefixtures("module")
def test_arguments_of_a_users_function():
    subject = open_subject("own_networks:sized", arguments={"classes": 5})
    assert subject.model.get_parameter("0.weight").shape == (5, 2, 3, 3)
    assert subject.weights == "as sized(classes=5) creates them"


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("text", "weights", "message"),
    [
        ("nothing", None, "model='nothing'; allowed"),
        ("torchvision/resnet19", None, "model='resnet19'; allowed: .*did you mean 'resnet"),
        ("timm/resnet10x", None, "model='resnet10x'; allowed: .*did you mean 'resnet"),
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
