"""Settings as text become values of their fields' kinds."""

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
