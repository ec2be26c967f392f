"""Devices by name."""

import pytest
import torch

from windowconv.devices import best_device, find_device
from windowconv.errors import InputError


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch):
    """What "auto" is, is found again in each test."""
    best_device.cache_clear()
    yield
    best_device.cache_clear()


@pytest.mark.parametrize(("cuda", "mps", "best"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_is_the_best_device_and_said_once(cuda, mps, best, monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: mps)
    assert find_device("auto") == find_device("auto") == torch.device(best)
    assert capsys.readouterr().err == f"device: {best}\n"


def test_auto_becomes_a_name_in_the_laboratory_too(monkeypatch):
    from windowconv.lab.config import Execution

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert Execution(device="auto").device == "cuda"
    assert Execution().device == "cpu"


@pytest.mark.parametrize("name", ["cpu:7", "cpu:-1", "meta", "nowhere", "", "cuda:99", "xla"])
def test_what_is_not_here_is_refused_in_one_line(name):
    with pytest.raises(InputError, match=r"^device=.*; allowed: .*auto") as caught:
        find_device(name)
    assert "\n" not in str(caught.value)


def test_one_cpu():
    assert find_device("cpu:0") == find_device(torch.device("cpu")) == torch.device("cpu")
