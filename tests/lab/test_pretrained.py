"""The networks that come along are what they are said to be."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import windowconv.lab
from windowconv.errors import InputError
from windowconv.lab import pretrained as published
from windowconv.lab.data import in_memory, load
from windowconv.lab.pretrained import FOLDER, list_pretrained, load_pretrained, publish
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.evaluate import evaluate

Make = Callable[..., Run]
NAMES = [f"{data}-{arm}" for data in ("fashion-mnist", "cifar10") for arm in ("3x3", "7x7", "7x7-hamming")]


def test_the_three_arms_are_there_in_a_few_megabytes() -> None:
    known = list_pretrained()
    assert sorted(known) == sorted(NAMES)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 6 * 2**20
    for name, about in known.items():
        content = (FOLDER / f"{name}.safetensors").read_bytes()
        assert hashlib.sha256(content).hexdigest() == about.sha256
        assert (about.name, about.licence) == (name, "MIT")
        assert about.command.startswith("windowconv train ")
        assert about.command.endswith(f"--data {about.data} --arm {about.arm} --seed 0")
        network = load_pretrained(name)
        assert sum(p.numel() for p in network.parameters()) == about.parameters
        assert network(torch.rand(2, *about.image)).shape == (2, len(about.classes))
        assert not network.training


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_they_have_the_accuracy_that_is_said(name: str, data_root: Path) -> None:
    about = list_pretrained()[name]
    images = in_memory(load(about.data, data_root).test)
    some = images.take(1000)
    share = evaluate(load_pretrained(name), some).accuracy
    assert share == pytest.approx(about.accuracy, abs=0.05)  # four standard errors of a thousand images
    assert about.n == len(images)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"pretrained='fashion-mnist-7x7-haming'; allowed: .*did you mean 'fashion-m"):
        load_pretrained("fashion-mnist-7x7-haming")


def test_what_is_published_loads_and_what_was_changed_does_not(
    make_run: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("5x5-hamming")
    publish([run], tmp_path / "weights")
    monkeypatch.setattr(published, "FOLDER", tmp_path / "weights")
    (name,) = list_pretrained()
    assert name == "gratings-5x5-hamming"
    images = torch.rand(3, 1, 12, 12)
    assert torch.equal(load_pretrained(name)(images), run.model()(images))
    path = tmp_path / f"weights/{name}.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=f"{name}.safetensors has SHA-256 .*; install windowconv again"):
        load_pretrained(name)
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        load_pretrained(name)
    index = json.loads((tmp_path / "weights/index.json").read_text())
    assert set(index) == {"schema_version", "networks"}


def test_the_laboratory_offers_them_by_name() -> None:
    assert windowconv.lab.load_pretrained is load_pretrained
    with pytest.raises(AttributeError, match="no attribute 'load_pretraind'"):
        windowconv.lab.load_pretraind  # noqa: B018
