"""Settings as text become values of their fields' kinds."""

from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from windowconv.errors import InputError
from windowconv.lab.config import Training
from windowconv.lab.studies.design.settings import parse_setting


def test_settings_have_their_fields_kind() -> None:
    given = [
        "epochs=3",
        "lr=0.5",
        "milestones=0.3,0.6",
        "nesterov=true",
        "patience=none",
        "train-images=7",
        "decay=all",
    ]
    assert dict(map(parse_setting, given)) == {
        "epochs": 3,
        "lr": 0.5,
        "milestones": (0.3, 0.6),
        "nesterov": True,
        "patience": None,
        "train_images": 7,
        "decay": "all",
    }


def test_a_setting_of_every_kind_is_read_back() -> None:
    """Of all fields, those too that have None as their default."""
    examples = {int: 3, float: 0.25, bool: True, str: "word"}
    for name, kind in get_type_hints(Training).items():
        optional = type(None) in get_args(kind)
        inner = next(each for each in get_args(kind) if each is not type(None)) if optional else kind
        if get_origin(inner) is tuple:
            value: Any = (0.25, 0.5)
        else:
            value = get_args(inner)[0] if get_origin(inner) is Literal else examples[inner]
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        (key, found) = parse_setting(f"{name.replace('_', '-')}={text}")
        assert (key, found, type(found)) == (name, value, type(value))
        if optional:
            assert parse_setting(f"{name}=none") == (name, None)


@pytest.mark.parametrize(
    "text", ["adversarial-step-size=big", "epochs=0.5", "epochs=none", "lr=none", "image-size=0.5", "nesterov=maybe"]
)
def test_a_value_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no value of"):
        parse_setting(text)
