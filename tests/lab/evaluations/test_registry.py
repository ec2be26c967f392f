"""Evaluations of other packages are found, and those that cannot be used cost nothing but themselves."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from windowconv.errors import InputError, WindowWarning
from windowconv.lab.data import ImageData, ImageSet, gratings
from windowconv.lab.evaluations import Evaluation, Measurement, Metric, Network, registry
from windowconv.lab.evaluations.registry import (
    evaluations,
    find_evaluation,
    find_metric,
    metric_value,
    metrics_of,
)
from windowconv.lab.runs.folder import Run

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples/evaluation"


class Brightness(Evaluation):
    name = "brightness"
    metrics = (Metric("brightness", "brightness (%)", "mean", more_is_better=False),)

    def measure(self, network: Network, images: Any, execution: Any) -> Measurement:
        return Measurement({"mean": images.images.float().mean().item() / 255})


class Twin(Brightness):
    name = "twin"


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`install(name=object_or_error)`: the entry points of a package, besides the laboratory's own."""
    own = list(registry.entry_points(group=registry.GROUP))

    def do(**plugins: Any) -> None:
        entries = [_entry(name, given) for name, given in plugins.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: [*entries, *own])
        evaluations.cache_clear()

    yield do
    evaluations.cache_clear()


def _entry(name: str, given: Any) -> Any:
    def load() -> Any:
        if isinstance(given, Exception):
            raise given
        return given

    return SimpleNamespace(name=name, value=f"other:{name}", load=load, dist=SimpleNamespace(name="other-package"))


def test_the_laboratorys_own() -> None:
    assert set(evaluations()) >= {
        "test",
        "leakage",
        "kernels",
        "aliasing",
        "cropping",
        "shift",
        "attacks",
        "conditions",
        "shifts",
        "heat-map",
    }
    assert metrics_of(["leakage", "attacks"]) == ["accuracy", "leakage", "leakage-near", "robust-accuracy"]
    assert metrics_of(["of-a-package-that-is-gone"]) == ["accuracy"]
    assert not find_metric("leakage").more_is_better
    with pytest.raises(InputError, match=r"metric='acuracy'; allowed: .*; did you mean 'accuracy'"):
        find_metric("acuracy")


def test_a_class_or_an_instance_of_another_package_is_one_more(
    install: Callable[..., None], make_run: Callable[..., Run], tiny: ImageData
) -> None:
    run = make_run()
    assert isinstance(tiny.test, ImageSet)
    for given in (Brightness, Brightness()):
        install(brightness=given)
        assert list(evaluations())[-1] == "brightness"
        find_evaluation("brightness").run([Network(run)], tiny.test)
    assert metric_value(run, "brightness") == pytest.approx(100 * tiny.test.images.float().mean().item() / 255)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (ModuleNotFoundError("No module named 'gone'"), "ModuleNotFoundError: No module named 'gone'"),
        (SyntaxError("of\ntwo lines"), "SyntaxError: of two lines"),
        (dict, "other:broken is no windowconv.lab.evaluations.Evaluation"),
        (type("Same", (Brightness,), {"name": "leakage"}), "its name 'leakage' is taken"),
        (Twin, "its metric 'brightness' is one of the evaluation 'brightness'"),
    ],
)
def test_what_cannot_be_used_is_named_and_left_out(install: Callable[..., None], given: Any, says: str) -> None:
    install(brightness=Brightness, broken=given)
    with pytest.warns(WindowWarning) as caught:
        found = evaluations()
    assert len(caught) == 1
    assert str(caught[0].message).startswith("evaluation 'broken' of the package 'other-package' is left out (")
    assert says in str(caught[0].message)
    assert {"brightness", "leakage", "attacks"} <= set(found)


def test_the_documented_example_is_the_file() -> None:
    page = (ROOT / "docs/robustness.md").read_text()
    for line in (EXAMPLE / "confidence.py").read_text().splitlines()[2:]:
        assert line in page, line
    assert 'confidence = "confidence:Confidence"' in page


@pytest.mark.slow
def test_the_documented_example_is_installed_found_and_measured(make_run: Callable[..., Run], tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXAMPLE, source)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, str(source)], check=True)
    code = """
import sys
from pathlib import Path
from windowconv.lab.data import gratings
from windowconv.lab.evaluations import Network
from windowconv.lab.evaluations.registry import find_evaluation, find_metric, metric_value
from windowconv.lab.runs.folder import Run
run = Run.open(Path(sys.argv[1]))
find_evaluation("confidence").run([Network(run)], gratings(70, 43, image_size=12).test)
print(find_metric("confidence").title, metric_value(run, "confidence"))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    run = make_run()
    done = subprocess.run(
        [sys.executable, "-c", code, str(run.folder)], env=environment, capture_output=True, text=True, check=True
    )
    title, _, value = done.stdout.rpartition(" ")
    images = gratings(70, 43, image_size=12).test.images.float() / 255  # pyright: ignore[reportAttributeAccessIssue]
    with torch.inference_mode():
        expected = run.model()(images).softmax(1).amax(1).mean().item()
    assert title == "mean confidence (%)"
    assert float(value) == pytest.approx(100 * expected)
