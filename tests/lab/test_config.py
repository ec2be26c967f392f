"""Settings are checked where they are made, and a run's command makes the same run again."""

import json
import math
import shlex
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
import tyro

from windowconv.errors import InputError
from windowconv.lab.commands.train import Train
from windowconv.lab.config import LATER, Execution, RunConfig, Training
from windowconv.lab.recipes import RECIPES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 0) for name in ("image_size", "train_images", "test_images", "width", "epochs", "batch_size")),
        ("epochs", -1),
        ("depth", 1),
        ("lr", math.nan),
        ("lr", math.inf),
        ("lr", -0.1),
        ("momentum", -0.5),
        ("weight_decay", math.nan),
        ("lr_factor", -1.0),
        ("milestones", (0.5, 1.5)),
        ("milestones", (math.nan,)),
        ("augment", "flip"),
        ("algorithm", "ftf"),
        ("seed", -1),
        ("seed", 2**64),
        ("precision", "fp8"),
        ("schedule", "step"),
        ("match", "macs"),
        ("accumulate", 0),
        ("patience", 0),
        ("lookahead", 1.0),
        ("start_size", 0),
        ("evaluate_every", 0),
        ("start_share", 1.0),
        ("lookahead_steps", 0),
        ("stem_epochs", -1),
        ("bias_lr", math.nan),
        ("loss", "median"),
        ("warmup_epochs", math.inf),
        *((name, 1.0) for name in ("val_fraction", "label_smoothing", "ema")),
        *((name, -0.1) for name in ("val_fraction", "label_smoothing", "ema")),
        *(("crop_area", value) for value in ((0.0, 1.0), (0.5, 0.2), (0.5, 1.5), (math.nan, 1.0))),
        *(("crop_aspect", value) for value in ((0.0, 1.0), (2.0, 1.0), (1.0, math.inf))),
        *(("adversarial_budget", value) for value in (-0.1, 1.5, 8.0, math.nan)),
        *(("adversarial_step_size", value) for value in (0.0, -1.0, math.nan, math.inf)),
        ("adversarial_steps", 0),
        ("adversarial", "bim"),
    ],
)
def test_what_is_out_of_range_is_refused_by_its_options_name(name: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        RunConfig(**{name: value})
    assert str(caught.value).startswith(f"{name.replace('_', '-')}=")
    assert "llowed" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", [field.name for field in fields(RunConfig)])
def test_the_hash_differs_where_any_setting_does(field: str) -> None:
    changed: dict[str, Any] = {
        "augment": "none",
        "algorithm": "fft",
        "milestones": (0.25,),
        "data": "gratings",
        "arm": "9x9",
        "match": "params",
        "val_fraction": 0.5,
        "crop_area": (0.2, 1.0),
        "crop_aspect": (0.5, 2.0),
        "normalize": "imagenet",
        "schedule": "cosine",
        "warmup_epochs": 1.0,
        "decay": "weights",
        "ema": 0.5,
        "label_smoothing": 0.1,
        "precision": "bf16",
        "network": "resnet18",
        "start": "abc",
        "adversarial": "pgd",
        "dropout": 0.5,
        "loss": "sum",
        "bad_images": "skip",
        "lookahead": 0.9,
        "start_share": 0.25,
    }
    start = RunConfig(val_fraction=0.1, image_size=32, augment="none")
    value = changed.get(field)
    if value is None:
        old = getattr(start, field)
        value = not old if isinstance(old, bool) else "search" if field == "purpose" else (old or 5) * 2
    other = replace(start, **{field: value} if field != "augment" else {"augment": "flip-crop"})
    assert other.config_hash != start.config_hash
    assert RunConfig().config_hash == RunConfig().config_hash


OLD = {
    "network": "small", "depth": 4, "width": 20, "match": "none", "image_size": None, "train_images": None,
    "test_images": None, "val_fraction": 0.0, "stream": False, "augment": "flip-crop", "crop_area": [0.1, 1.0],
    "crop_aspect": [0.8, 1.25], "normalize": "none", "epochs": 6, "batch_size": 64, "accumulate": 1, "lr": 0.1,
    "schedule": "steps", "milestones": [0.5, 0.8], "lr_factor": 0.1, "warmup_epochs": 0.0, "momentum": 0.9,
    "nesterov": False, "weight_decay": 0.001, "decay": "all", "label_smoothing": 0.0, "ema": 0.0, "patience": None,
    "precision": "fp32", "algorithm": "auto", "channels_last": True, "compile": False, "data": "cifar10", "arm": "3x3",
    "seed": 0, "start": "", "preserve": False, "purpose": "result",
}  # fmt: skip
OLD_HASH = "6a88f05b771fc6e2"
"""A run's settings, all there were then, and the hash in its folder."""


def test_a_run_from_before_keeps_its_hash() -> None:
    assert RunConfig.from_record(OLD).config_hash == OLD_HASH
    given = {key: value for key, value in OLD.items() if key in ("width", "epochs", "lr", "data")}
    assert RunConfig(**given).config_hash == OLD_HASH
    later = {name: value for name, value in asdict(RunConfig()).items() if name not in OLD}
    assert later == LATER


def test_all_published_runs_keep_their_hashes() -> None:
    records = [json.loads(path.read_text()) for path in (ROOT / "results").rglob("run.json")]
    assert len(records) > 100
    for record in records:
        assert RunConfig.from_record(record["config"]).config_hash == record["config_hash"], record["name"]


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(),
        RunConfig(data="my photos", arm="7x7-kaiser:8.6", seed=3, milestones=(), train_images=7, augment="none"),
        RunConfig(lr=1e-05, milestones=(0.1, 0.2, 0.75), image_size=32, weight_decay=0.0, channels_last=False),
        RunConfig(adversarial="pgd", adversarial_budget=8 / 255 / 3, adversarial_steps=3, adversarial_step_size=0.1),
        *(RunConfig(**asdict(recipe.training), data=recipe.data) for recipe in RECIPES.values()),
    ],
)
def test_the_command_makes_the_run_again(config: RunConfig) -> None:
    words = shlex.split(config.command)
    assert words[:2] == ["windowconv", "train"]
    command = tyro.cli(Train, args=words[2:])
    assert RunConfig(**asdict(command.training), data=command.data, arm=command.arm, seed=command.seed) == config


def test_the_command_always_names_data_arm_and_seed() -> None:
    assert RunConfig().command == "windowconv train --data fashion-mnist --arm 3x3 --seed 0"


def test_run_names_hold_no_colon() -> None:
    assert RunConfig(arm="7x7-kaiser:8.6", seed=2).run_name == "7x7-kaiser_8.6-seed2"


def test_the_defaults_are_the_documented_ones_and_frozen() -> None:
    training = Training()
    assert (training.milestones, training.lr_factor, training.momentum) == ((0.5, 0.8), 0.1, 0.9)
    with pytest.raises(AttributeError):
        training.lr = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": "area-crop"}, "pass --stream with a folder"),
        ({"stream": True, "image_size": 32}, "augment='flip-crop' is for images in memory; with --stream allowed"),
        ({"stream": True, "augment": "none"}, "stream=True needs --image-size"),
        ({"patience": 2}, "patience=2 needs --val-fraction"),
        ({"purpose": "search"}, "purpose='search' needs --val-fraction"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov=True needs a momentum"),
        ({"accumulate": 65}, "accumulate=65; allowed: at most batch-size=64"),
        ({"warmup_epochs": 4.5}, "warmup-epochs=4.5; allowed: at most epochs=4"),
        ({"schedule": "one-cycle", "warmup_epochs": 1.0}, "warmup-epochs=1; allowed: 0 with schedule='one-cycle'"),
        ({"dropout": 0.5, "network": "resnet18"}, "only the network small takes it"),
        ({"l1": 1e-4, "precision": "fp16"}, "l1=0.0001; allowed: 0 with precision='fp16'"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RunConfig(**changes)


def test_a_record_gives_the_settings_back_and_an_old_one_has_defaults() -> None:
    config = RunConfig(milestones=(0.25, 0.75), crop_area=(0.2, 0.9), seed=4)
    assert RunConfig.from_record(json.loads(json.dumps(asdict(config)))) == config
    assert RunConfig.from_record({"lr": 0.3, "milestones": [0.1]}) == RunConfig(lr=0.3, milestones=(0.1,))


@pytest.mark.parametrize(
    ("name", "value"), [("threads", 0), ("workers", -1), ("checkpoint_minutes", -1.0), ("keep_checkpoints", 0)]
)
def test_execution_is_checked(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name.replace('_', '-')}={value}; allowed: "):
        Execution(**{name: value})
