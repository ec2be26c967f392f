"""Designs are checked when they are made, and come back from JSON as they were."""

import json
from dataclasses import replace

import pytest

from windowconv.errors import InputError
from windowconv.lab.config import Training
from windowconv.lab.evaluations.registry import evaluations, metrics_of
from windowconv.lab.models.arms import parse_arm
from windowconv.lab.recipes import RECIPES
from windowconv.lab.studies.design.catalogue import STUDIES, find_design
from windowconv.lab.studies.design.design import Contrast, Design, Variant
from windowconv.lab.studies.design.plan import SCALES, Plan
from windowconv.lab.studies.design.record import design_from_record, design_record
from windowconv.lab.studies.design.small_networks import LEAST, MATRIX

NAMES = [
    "fashion-mnist",
    "cifar10",
    "cifar100",
    "imagenet",
    "kernel-size",
    "depth",
    "size-matched",
    "robustness",
    "leakage-by-size",
    "leakage-and-accuracy",
    "mechanism",
    "window-family",
    "regularisation",
    "pretrained",
    "window-cifar10",
    "window-cifar100",
    "window-fashion-mnist",
    "taper",
    "place",
    "instead",
    "withstanding",
    "adversarial",
    "hunt",
    "relatives",
    "imagenette",
]
COMPARISONS = ("adversarial", "hunt")
"""Without a claim."""


def test_the_catalogue_has_every_study() -> None:
    assert sorted(STUDIES) == sorted(NAMES)
    for name, design in STUDIES.items():
        assert design.name == name
        assert set(design.measures) <= set(evaluations())
        assert {contrast.metric for contrast in design.contrasts} <= set(metrics_of(design.measures))
        assert all(map(str, design.contrasts))
        if name not in COMPARISONS:
            assert design.claim.endswith(".")
            assert design.primary is not None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", SCALES)
def test_every_study_has_its_runs_at_every_scale(name: str, scale: str) -> None:
    design = STUDIES[name].on("photos")
    if f"{design.recipe}-{scale}" not in RECIPES:
        assert scale.startswith("strong")  # which not every network has
        return
    plan = Plan.of(design, scale, 2)
    if name == "regularisation" and scale.startswith("strong"):
        with pytest.raises(InputError, match=r"dropout=0.1; allowed: 0, as only the network small takes it"):
            plan.preparations()
        return
    runs = plan.runs(
        {v.name: v.tune[1][0] for v in design.variants if v.tune}, {f"start/3x3-seed{s}": f"h{s}" for s in (0, 1)}
    )
    assert len(runs) == 2 * len(design.variants)
    assert len({run.folder for run in runs}) == len(runs)
    assert len({run.config.config_hash for run in runs}) == len(runs)
    for variant in design.variants:
        parse_arm(variant.arm).layer_window()


def test_studies_share_the_matrix() -> None:
    def hashes(name: str, data: str = "fashion-mnist") -> dict[str, str]:
        design = find_design(name).on(data)
        return {run.variant: run.config.config_hash for run in Plan.of(design, "small", 1).runs()}

    matrix = hashes("fashion-mnist")
    assert list(matrix) == list(MATRIX)
    for name in ("kernel-size", "size-matched", "mechanism", "leakage-by-size", "leakage-and-accuracy", "robustness"):
        shared = set(matrix) & set(hashes(name))
        assert {"3x3", "7x7-hamming"} <= shared
        assert all(hashes(name)[arm] == matrix[arm] for arm in shared)
    assert hashes("mechanism", "cifar10")["7x7"] == hashes("cifar10", "cifar10")["7x7"]
    plan = Plan.of(find_design("pretrained"), "small", 1)
    assert plan.preparations()[0].config.config_hash == matrix["3x3"]


def test_an_unknown_study_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"study='mechanisms'; allowed: .*did you mean 'mechanism'"):
        find_design("mechanisms")


@pytest.mark.parametrize("name", NAMES)
def test_a_design_comes_back_from_json(name: str) -> None:
    assert design_from_record(json.loads(json.dumps(design_record(STUDIES[name])))) == STUDIES[name]


def test_names_say_what_is_compared() -> None:
    assert Variant("7x7-kaiser:6", (("depth", 6),)).name == "7x7-kaiser:6 depth=6"
    assert Variant("7x7-kaiser:6", (("depth", 6),)).folder == "7x7-kaiser_6_depth_6"
    assert Variant("7x7", tune=("weight_decay", (1.0, 2.0))).name == "7x7 weight-decay tuned"
    assert Variant("7x7-hamming", start="3x3").folder == "7x7-hamming_from_3x3"
    assert str(Contrast(("7x7",), ("3x3",))) == "test accuracy (%): 7x7 minus 3x3"
    leakage = Contrast(("7x7",), ("3x3", "5x5"), "leakage")
    assert str(leakage) == "leakage L(1/4) (%): mean of 3x3, 5x5 minus 7x7"
    assert metrics_of(("shift",)) == ["accuracy", "shift-consistency"]


@pytest.fixture
def design() -> Design:
    return Design("d", "A claim.", "fashion-mnist", (Variant("3x3"), Variant("7x7")), Contrast(("7x7",), ("3x3",)))


def test_wrong_designs_are_refused(design: Design) -> None:
    with pytest.raises(InputError, match="allowed: one or more, each once"):
        replace(design, variants=(Variant("3x3"), Variant("3x3")))
    with pytest.raises(InputError, match="variant='7x7-haming'; allowed"):
        replace(design, primary=Contrast(("7x7-haming",), ("3x3",)))
    with pytest.raises(InputError, match=r"setting='dept'; allowed: .*did you mean 'depth'"):
        Variant("3x3", (("dept", 3),))
    with pytest.raises(InputError, match="scale='big'; allowed"):
        Plan.of(design, "big")


def test_other_data_and_settings_and_fewer_variants(design: Design) -> None:
    other = Plan.of(design.on("cifar10"), "small")
    assert (other.shared.width, other.data, other.seeds) == (20, "cifar10", design.seeds)
    folder = Plan.of(design.on("photos"), "small")
    assert (folder.shared, folder.data) == (Plan.of(design, "small").shared, "photos")
    changed = Plan.of(design.changed({"epochs": 3}).changed({"lr": 0.5}), "smoke").shared
    assert (changed.epochs, changed.lr, changed.width) == (3, 0.5, 4)
    more = replace(design, variants=(*design.variants, Variant("5x5")), secondary=(Contrast(("5x5",), ("3x3",)),))
    fewer = more.only(("7x7", "3x3"))
    assert [v.name for v in fewer.variants] == ["7x7", "3x3"]
    assert fewer.secondary == ()
    with pytest.raises(InputError, match="lack '7x7', which the primary contrast needs"):
        more.only(("3x3", "5x5"))
    with pytest.raises(InputError, match="variant='5x7'; allowed"):
        more.only(("5x7",))


def test_tuned_variants_search_first() -> None:
    design = find_design("regularisation")
    plan = Plan.of(design, "smoke", 2)
    searches = plan.preparations()
    assert len(searches) == 4 * 4
    assert {run.config.purpose for run in searches} == {"search"}
    assert {run.config.seed for run in searches} == {10_000}
    assert sorted({run.config.l1 for run in searches}) == [0.0, 1e-5, 3e-5, 1e-4, 3e-4]
    tuned = {v.name: v.tune[1][1] for v in design.variants if v.tune}
    own = {run.variant: run.config for run in plan.runs(tuned)}
    assert own["7x7 dropout tuned"].dropout == 0.2
    assert own["7x7 weight-decay tuned"].weight_decay == 1e-3
    assert own["7x7"].val_fraction == 0.1


def test_started_variants_need_the_runs_they_start_from() -> None:
    plan = Plan.of(find_design("pretrained"), "smoke", 2)
    assert [run.folder for run in plan.preparations()] == ["start/3x3-seed0", "start/3x3-seed1"]
    runs = plan.runs(starts={"start/3x3-seed0": "aa", "start/3x3-seed1": "bb"})
    assert {(run.config.seed, run.config.start, run.config.preserve) for run in runs} == {
        (0, "aa", True),
        (1, "bb", True),
    }
    assert {run.config.lr for run in runs} == {0.005}


def test_the_bars_are_of_data_that_exist() -> None:
    assert set(LEAST) <= set(STUDIES)
    assert Training().val_fraction == 0  # designs that tune set it
    for design in STUDIES.values():
        assert not any(v.tune for v in design.variants) or dict(design.changes)["val_fraction"]
