"""Every entry is whole and says what it takes."""

import pytest

from windowconv.errors import InputError
from windowconv.lab.robustness.attacks.attack import Attack
from windowconv.lab.robustness.attacks.auto_attack import MEMBERS
from windowconv.lab.robustness.attacks.catalogue import ATTACKS, find_attack
from windowconv.lab.robustness.attacks.suites import SUITES, TRIALS, Trial, choose, fitting, transfers, verify

SHAPE = (1, 28, 28)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
def test_entries_are_whole(attack: Attack) -> None:
    attack.check(attack.budgets, {}, 10, SHAPE)
    assert attack.budgets == tuple(sorted(attack.budgets))
    forward, gradient = attack.cost(attack.settings, 10)
    assert forward + gradient > 0
    assert (gradient == 0) == (attack.access != "gradients") or attack.name == "transfer"
    assert attack.source
    assert attack.label({}).startswith(attack.name)


def test_autoattack_has_its_four_members() -> None:
    assert MEMBERS == ("apgd-ce", "apgd-t", "fab-t", "square")
    assert set(MEMBERS) <= {trial.attack for trial in TRIALS["standard"]}


def test_what_does_not_fit_the_data_is_refused() -> None:
    with pytest.raises(InputError, match="'apgd-t' needs 4 classes or more; the network has 3"):
        verify((Trial("apgd-t", 10),), 3, SHAPE, 100)
    with pytest.raises(InputError, match=r"'pgd': budget=8; allowed .L∞"):
        verify((Trial("pgd", 10, (8.0,)),), 10, SHAPE, 100)
    with pytest.raises(InputError, match=r"'one-pixel': budget=0.5; allowed .pixels.*whole"):
        verify((Trial("one-pixel", 10, (0.5,)),), 10, SHAPE, 100)
    with pytest.raises(InputError, match=r"'spatial': budget=200; allowed .degrees"):
        verify((Trial("spatial", 10, (200.0,)),), 10, SHAPE, 100)
    with pytest.raises(InputError, match="images=500; allowed: 1 to 100"):
        verify((Trial("pgd", 500),), 10, SHAPE, 100)
    with pytest.raises(InputError, match="images=0"):
        verify((Trial("pgd", 0),), 10, SHAPE, 100)
    with pytest.raises(InputError, match="each once"):
        verify((Trial("pgd", 5), Trial("pgd", 6)), 10, SHAPE, 100)
    with pytest.raises(InputError, match=r"pgd's setting='step'; allowed: .*did you mean 'steps'"):
        verify((Trial("pgd", 5, settings={"step": 3}),), 10, SHAPE, 100)


def test_attacks_are_known_by_name() -> None:
    with pytest.raises(InputError, match="did you mean 'deepfool'"):
        find_attack("deep-fool")


@pytest.mark.parametrize("suite", SUITES)
def test_suites_fit_the_papers_images_and_name_each_trial_once(suite: str) -> None:
    for shape in (SHAPE, (3, 32, 32), (3, 224, 224)):
        verify(TRIALS[suite], 10, shape, 10_000)


def test_the_paper_suite_has_the_papers_attacks_on_500_images() -> None:
    found = {trial.attack: trial.images for trial in TRIALS["paper"] if not trial.check}
    assert found == dict.fromkeys(("fgsm", "pgd", "deepfool", "spatial", "one-pixel", "noise"), 500)


def test_attacks_can_be_chosen() -> None:
    assert [trial.label for trial in choose("paper", ["cw", "pgd"])] == ["cw-20", "pgd-20"]
    assert choose("paper", ["pgd"], 7, [0.1, 0.05])[0].grid == (0.05, 0.1)
    assert {trial.images for trial in choose("quick", images=20)} == {20}
    with pytest.raises(InputError, match="name it with --attacks"):
        choose("paper", [], None, [0.1])
    with pytest.raises(InputError, match="name it with --attacks"):
        choose("paper", ["pgd", "cw"], None, [0.1])


def test_transfer_comes_from_every_other_arm() -> None:
    trials = transfers("7x7", ["3x3", "7x7", "9x9-kaiser:8.6"], 10)
    assert [trial.label for trial in trials] == ["transfer-from-3x3", "transfer-from-9x9-kaiser_8.6"]


def test_of_a_suite_what_needs_more_classes_is_left_out_and_said() -> None:
    kept, notes = fitting(TRIALS["standard"], 3)
    assert notes == ["apgd-t-100 is not run: it needs 4 classes or more, the network has 3"]
    assert {trial.attack for trial in TRIALS["standard"]} - {trial.attack for trial in kept} == {"apgd-t"}
    assert fitting(TRIALS["standard"], 10) == (TRIALS["standard"], [])
