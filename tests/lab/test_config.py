"""Settings are checked where they are made, and a run's command makes the same run again."""

import math
import shlex
from dataclasses import fields, replace
from typing import Any

import pytest
import tyro

from windowconv.errors import InputError
from windowconv.lab.commands import Train, part
from windowconv.lab.config import RunConfig, Training


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
    changed: dict[str, Any] = {"augment": "none", "algorithm": "fft", "milestones": (0.25,)}
    changed |= {"data": "gratings", "arm": "9x9"}
    value = changed.get(field) or (getattr(RunConfig(), field) or 5) * 2
    assert replace(RunConfig(), **{field: value}).config_hash != RunConfig().config_hash
    assert RunConfig().config_hash == RunConfig().config_hash


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(),
        RunConfig(data="my photos", arm="7x7-kaiser:8.6", seed=3, milestones=(), train_images=7, augment="none"),
        RunConfig(lr=1e-05, milestones=(0.1, 0.2, 0.75), image_size=32, weight_decay=0.0),
    ],
)
def test_the_command_makes_the_run_again(config: RunConfig) -> None:
    words = shlex.split(config.command)
    assert words[:2] == ["windowconv", "train"]
    assert part(tyro.cli(Train, args=words[2:]), RunConfig) == config


def test_the_command_always_names_data_arm_and_seed() -> None:
    assert RunConfig().command == "windowconv train --data fashion-mnist --arm 3x3 --seed 0"


def test_run_names_hold_no_colon() -> None:
    assert RunConfig(arm="7x7-kaiser:8.6", seed=2).run_name == "7x7-kaiser_8.6-seed2"


def test_the_defaults_are_the_documented_ones_and_frozen() -> None:
    training = Training()
    assert (training.milestones, training.lr_factor, training.momentum) == ((0.5, 0.8), 0.1, 0.9)
    with pytest.raises(AttributeError):
        training.lr = 1.0  # type: ignore[misc]
