"""Help: one line a command in groups; kinds and defaults in plain words; refusals in a line; a bare installation."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import ClassVar

import pytest

from windowconv.cli import GROUP
from windowconv.cli.help import GROUPS, OTHERS, overview
from windowconv.cli.refusals import one_line
from windowconv.errors import InputError

Shell = Callable[..., tuple[int, str, str]]
COMMANDS = sorted(entry.name for entry in entry_points(group=GROUP))


def test_the_overview_is_a_line_a_command_and_every_command_has_a_group(shell: Shell) -> None:
    code, out, err = shell("--help")
    assert (code, err) == (0, "")
    for name in COMMANDS:
        assert [line.split()[:1] for line in out.splitlines()].count([name]) == 1
    assert max(map(len, out.splitlines())) <= 100
    assert [title for title in GROUPS.values() if f"{title}:" in out] == list(GROUPS.values())
    assert OTHERS not in out


def test_commands_of_other_packages_come_last() -> None:
    @dataclass
    class Mine:
        """Do what I want. And more."""

    @dataclass
    class Look:
        """Look at it."""

        group: ClassVar = "look"

    lines = overview({"mine": Mine, "a": Look}).splitlines()
    assert lines.index("  a     Look at it") < lines.index("Other commands:") < lines.index("  mine  Do what I want")


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_described_in_plain_words(name: str, shell: Shell) -> None:
    code, out, _ = shell(f"{name} --help")
    assert code == 0
    for ugly in ("None", "STR", "(default: )", "FLOAT", "True", "False", "0.0313725"):
        assert ugly not in out


def test_values_of_defaults(shell: Shell) -> None:
    _, out, _ = shell("train --help")
    text = " ".join(out.replace("│", " ").split())
    assert "values lie in [0, 1]. (default: 8/255)" in text
    assert "(default: 0.8 1.25)" in text
    assert "--image-size INT Resize the images" in text
    assert "(default: no)" in text


def test_a_recipe_changes_the_defaults_that_help_shows(shell: Shell) -> None:
    _, out, _ = shell("train --recipe cifar10-paper --help")
    assert "(default: 150)" in " ".join(out.replace("│", " ").split())


REFUSED = [
    ("trian", "did you mean 'train'?"),
    ("train --epochz 3", "there is no option --epochz; did you mean --epochs? (see windowconv train --help)"),
    ("train --epochs many", "epochs='many'; allowed: a whole number (see windowconv train --help)"),
    ("train --lr fast", "lr='fast'; allowed: a number (see windowconv train --help)"),
    ("train --lr", "--lr needs a value (see windowconv train --help)"),
    ("train --crop-area 1", "--crop-area needs 2 values (see windowconv train --help)"),
    (
        "train --augment xx",
        "augment='xx'; allowed: none, flip-crop, flip-shift, area-crop (see windowconv train --help)",
    ),
    ("train mine", "'mine' is one argument too many (see windowconv train --help)"),
    ("train --recipe cifar10-paper --recipe cifar10-small", "--recipe is given 2 times (cifar10-paper, cifar10-small)"),
    ("report", "STUDY is missing (see windowconv report --help)"),
    ("finetune", "--weights, --data, --model are missing (see windowconv finetune --help)"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED, ids=[words for words, _ in REFUSED])
def test_the_parser_refuses_in_one_line(words: str, message: str, shell: Shell) -> None:
    code, out, err = shell(words)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("windowconv: ")
    assert message in err


def test_a_message_of_unknown_form_is_kept() -> None:
    box = "╭─ New ─╮\n│ Something new: x │\n│ ─────── │\n│ more │\n╰───────╯"
    assert one_line(box, "train") == "Something new: x (see windowconv train --help)"


def test_info_and_version_need_no_parser(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(module: str, extra: str) -> None:
        raise InputError(f"this needs {module}: pip install 'windowconv[{extra}]'")

    monkeypatch.setattr("windowconv.cli.find_spec", lambda _: None)
    monkeypatch.setattr("windowconv.cli.require", missing)
    for words in ("info", "--version"):
        code, out, err = shell(words)
        assert (code, err) == (0, "")
        assert out.startswith("windowconv")
    for words in ("train", "info --calibrate", "--help"):
        code, out, err = shell(words)
        assert (code, out, err) == (2, "", "windowconv: this needs tyro: pip install 'windowconv[cli]'\n")
