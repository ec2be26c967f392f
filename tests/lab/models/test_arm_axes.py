"""Arms of other packages are found, trained, and cost nothing but themselves where they cannot be used."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from windowconv.errors import InputError, WindowWarning
from windowconv.lab.models import arm_axes
from windowconv.lab.models.arm_axes import OWN, Form, Subsampling, Taps, find_choice, plugins
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.models.build import build
from windowconv.lab.runs.folder import Run

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples/arm"


@Subsampling.named("means", after_max=False)
def means(stride: int) -> nn.Module:
    return nn.AvgPool2d(stride, ceil_mode=True)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`install(name=object_or_error)`: the entry points of a package."""

    def clear() -> None:
        arm_axes._entries.cache_clear()
        plugins.cache_clear()

    def do(**given: Any) -> None:
        entries = [_entry(name, each) for name, each in given.items()]
        monkeypatch.setattr(arm_axes, "entry_points", lambda group: tuple(entries))
        clear()

    clear()
    yield do
    clear()


def _entry(name: str, given: Any) -> Any:
    def load() -> Any:
        if isinstance(given, Exception):
            raise given
        return given

    return SimpleNamespace(name=name, value=f"other:{name}", load=load, dist=SimpleNamespace(name="other-package"))


def test_an_arm_of_another_package_is_trained_and_opens_again(
    install: Callable[..., None], make_run: Callable[..., Run]
) -> None:
    install(means=means)
    assert find_choice("means") is means
    assert parse_arm("5x5-hamming-means").subsampling == "means"
    run = make_run("3x3-means")
    assert run.final()["test_accuracy"] >= 0
    assert any(isinstance(layer, nn.AvgPool2d) for layer in run.model().modules())
    network = build("airbench", {"arm": "5x5-means", "widths": (4, 4, 4), "classes": 3, "channels": 3})
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in network.modules())


def test_forms_and_taps_of_another_package(install: Callable[..., None]) -> None:
    def grouped(convolution: nn.Conv2d) -> nn.Module:
        return nn.Conv2d(convolution.in_channels, convolution.out_channels, 5, padding=2, groups=2, bias=False)

    install(grouped=Form("grouped", grouped), fewer=Taps("fewer", grouped, window=False))
    network = build("airbench", {"arm": "5x5-hamming-grouped", "widths": (4, 4, 4), "classes": 3, "channels": 3})
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert {(layer.groups, type(layer).__name__) for layer in layers} == {(2, "WindowedConv2d")}
    with pytest.raises(InputError, match="-fewer takes no window"):
        parse_arm("5x5-hamming-fewer")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (ModuleNotFoundError("No module named 'gone'"), "ModuleNotFoundError: No module named 'gone'"),
        (dict, "other:broken is no Form, Taps or Subsampling"),
        (means, "its name 'means' is not that of its entry point"),
    ],
)
def test_what_cannot_be_used_is_named_and_left_out(install: Callable[..., None], given: Any, says: str) -> None:
    install(means=means, broken=given)
    with pytest.warns(WindowWarning) as caught:
        assert find_choice("broken") is None
    assert len(caught) == 1
    assert str(caught[0].message).startswith("arms -broken of the package 'other-package' are left out (")
    assert says in str(caught[0].message)
    assert find_choice("means") is means
    with pytest.raises(InputError, match="arm='7x7-broken': window='broken'"):
        parse_arm("7x7-broken").layer_window()


def test_names_that_are_taken_are_refused(install: Callable[..., None]) -> None:
    for name in ("sqrt", "learnable", "Blur", "2x"):
        with pytest.raises(InputError, match=f"name='{name}'; allowed: small letters"):
            Subsampling(name, means.make)
    install(blur=Subsampling("blur", means.make))
    with pytest.warns(WindowWarning, match="its name 'blur' is taken"):
        assert plugins() == {}
    assert find_choice("blur") is OWN["blur"]


def test_packages_are_left_alone_for_other_names(install: Callable[..., None]) -> None:
    install(broken=ModuleNotFoundError("gone"))
    assert parse_arm("7x7-hamming-blur").window == "hamming"  # a warning would be an error


def test_a_run_of_a_package_that_is_gone_says_so(install: Callable[..., None]) -> None:
    install()
    with pytest.raises(InputError, match="arm='3x3-means': window='means'; allowed"):
        build("small", {"arm": "3x3-means", "classes": 3, "channels": 1, "depth": 2, "width": 2})


def test_the_documented_example_is_the_file() -> None:
    page = (ROOT / "docs/laboratory.md").read_text()
    for line in (EXAMPLE / "means.py").read_text().splitlines()[2:]:
        assert line in page, line
    assert 'means = "means:means"' in page


@pytest.mark.slow
def test_the_documented_example_is_installed_and_trained(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXAMPLE, source)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, str(source)], check=True)
    run = tmp_path / "run"
    train = [sys.executable, "-m", "windowconv", "train", "--data", "gratings", "--arm", "5x5-hamming-means"]
    train += ["--image-size", "12", "--train-images", "70", "--test-images", "43", "--epochs", "1", "--width", "2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    subprocess.run([*train, "--out", str(run)], env=environment, check=True, capture_output=True)
    assert Run.open(run).final()["epoch"] == 1
