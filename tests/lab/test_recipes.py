"""Every recipe runs to its end at smoke size, and the paper's have the paper's figures."""

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from windowconv.errors import InputError
from windowconv.lab.data import ImageData, load
from windowconv.lab.recipes import RECIPES, find_recipe
from windowconv.lab.runs.folder import Run
from windowconv.lab.training import loading

Shell = Callable[..., tuple[int, str, str]]
SMOKES = [name for name in RECIPES if name.endswith("-smoke")]
STAND_INS = {"imagenet": "imagenette"}


@pytest.fixture(scope="module")
def once() -> Callable[..., ImageData]:
    """`load`, each data set once: decoding takes longer than training here."""
    kept: dict[str, ImageData] = {}

    def load_once(name: str, *where: Any, **how: Any) -> ImageData:
        return kept.setdefault(f"{name} {how}", kept.get(f"{name} {how}") or load(name, *where, **how))

    return load_once


@pytest.mark.parametrize("name", SMOKES)
def test_a_smoke_recipe_runs_to_the_end_on_real_images(
    name: str,
    shell: Shell,
    data_root: Path,
    tmp_path: Path,
    once: Callable[..., ImageData],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loading, "load", once)
    recipe = find_recipe(name)
    data = STAND_INS.get(recipe.data, recipe.data)
    words = f"train --recipe {name} --arm 7x7-hamming --data {data} --workers 0 --threads 1 --data-root"
    code, out, err = shell(words, data_root, "--out", tmp_path / "run")
    assert code == 0, err
    run = Run.open(tmp_path / "run")
    assert run.record["status"] == "finished"
    assert asdict(run.config) == {
        **asdict(run.config), **asdict(recipe.training), "data": data, "arm": "7x7-hamming", "seed": 0
    }  # fmt: skip
    figures = run.evaluation()["figures"]
    assert figures["n"] == recipe.training.test_images
    assert f"test accuracy {figures['accuracy']:.2%}" in out
    assert shell("evaluate --workers 0", run.folder, "--data-root", data_root, "--data", data)[0] == 0


def test_each_family_has_its_sizes() -> None:
    families = {name.rsplit("-paper", 1)[0] for name in RECIPES if name.endswith("-paper")}
    assert families == {"fashion-mnist", "cifar10", "cifar100", "imagenet-resnet18", "imagenet-vgg11bn"}
    for family in families:
        for suffix in ("small", "smoke", "modern", "modern-small", "modern-smoke"):
            assert f"{family}-{suffix}" in RECIPES
    for data in ("fashion-mnist", "cifar10", "cifar100"):
        for suffix in ("strong", "strong-wide", "strong-smoke"):
            assert f"{data}-{suffix}" in RECIPES
    assert all(recipe.name == name for name, recipe in RECIPES.items())


def test_the_papers_settings() -> None:
    for data in ("fashion-mnist", "cifar10", "cifar100"):
        t = find_recipe(f"{data}-paper").training
        assert (t.network, t.depth, t.width, t.batch_size, t.epochs) == ("small", 6, 128, 32, 150)
        assert (t.lr, t.momentum, t.weight_decay, t.decay, t.nesterov) == (0.01, 0.9, 1e-3, "all", False)
        assert [150 * m for m in t.milestones] == [75, 120]
        assert (t.lr_factor, t.warmup_epochs, t.augment, t.normalize) == (0.1, 0, "flip-crop", "none")
        assert (t.precision, t.algorithm, t.ema, t.label_smoothing, t.val_fraction) == ("fp32", "direct", 0, 0, 0)
    for name in ("resnet18", "vgg11bn"):
        t = find_recipe(f"imagenet-{name}-paper").training
        assert (t.width, t.batch_size, t.epochs, t.image_size) == (64, 256, 90, 224)
        assert (t.lr, t.momentum, t.weight_decay, t.decay, t.warmup_epochs) == (0.1, 0.9, 1e-4, "all", 5)
        assert [round(90 * m, 9) for m in t.milestones] == [30, 60, 80]
        assert (t.crop_area, t.crop_aspect, t.normalize, t.augment) == (
            (0.1, 1.0),
            (0.8, 1.25),
            "imagenet",
            "area-crop",
        )
        assert (t.precision, t.algorithm) == ("fp32", "direct")


def test_the_strong_regimes_published_settings() -> None:
    for data in ("fashion-mnist", "cifar10", "cifar100"):
        narrow, wide = (find_recipe(f"{data}-strong{suffix}").training for suffix in ("", "-wide"))
        assert (narrow.width, wide.width) == (32, 64)
        assert (narrow.epochs, narrow.start_size, narrow.start_share) == (12, 24, 0.4)
        assert replace(narrow, width=64, epochs=10, start_size=None, start_share=0.5) == wide
        assert (wide.network, wide.batch_size, wide.epochs, wide.loss, wide.augment) == (
            "airbench", 512, 10, "sum", "flip-shift"
        )  # fmt: skip
        assert wide.lr == pytest.approx(11.5 / (1024 * (1 + 1 / (1 - 0.85))))
        assert wide.weight_decay == pytest.approx(0.0153 * 512 / (1024 * (1 + 1 / (1 - 0.85))))
        assert (wide.momentum, wide.nesterov, wide.bias_lr, wide.decoupled_decay) == (0.85, True, 64, True)
        assert (wide.schedule, wide.label_smoothing, wide.lookahead, wide.lookahead_steps, wide.stem_epochs) == (
            "triangular", 0.2, 0.95, 5, 3
        )  # fmt: skip


def test_options_go_before_the_recipes_settings(shell: Shell, tmp_path: Path) -> None:
    words = "compare --recipe=cifar10-smoke --data gratings --image-size 12 --arms 3x3 --epochs 1 --seeds 2 --out"
    code, _, err = shell(words, tmp_path / "study")
    assert code == 0, err
    config = Run.open(tmp_path / "study/3x3-seed1").config
    assert (config.epochs, config.width, config.lr, config.data) == (1, 4, 0.1, "gratings")


def test_recipes_are_listed_and_shown(shell: Shell) -> None:
    code, out, _ = shell("recipes")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(RECIPES)
    code, out, _ = shell("recipes imagenet-resnet18-paper")
    assert code == 0
    assert re.search(r"crop-area +0\.1 1\.0\n", out)
    for words in ("recipes cifar10-papper", "train --recipe cifar10-papper", "compare --recipe cifar10-papper"):
        code, _, err = shell(words)
        assert (code, len(err.splitlines())) == (2, 1)
        assert "did you mean 'cifar10-paper'?" in err
    code, _, err = shell("train --recipe")
    assert (code, err) == (2, "windowconv: --recipe needs a name; windowconv recipes lists them\n")
    with pytest.raises(InputError):
        find_recipe("x")
