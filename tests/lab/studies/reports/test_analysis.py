"""The verdict comes from the contrast that was named, on the seeds that are there, and from nothing else."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from statsmodels.stats.multitest import multipletests

from windowconv.lab.statistics.equivalence import equivalence
from windowconv.lab.statistics.paired import bootstrap_difference, paired_difference
from windowconv.lab.statistics.power import detectable_effect
from windowconv.lab.statistics.significance import sign_flip
from windowconv.lab.statistics.verdicts import verdicts
from windowconv.lab.studies.design.design import Association, Contrast, Design
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import analyse, baseline_warning
from windowconv.lab.studies.reports.contrast_summary import contrast_summary
from windowconv.lab.studies.reports.tables import contrasts_table, equivalence_table
from windowconv.lab.studies.reports.verdict_text import verdict_text

Written = Callable[..., StudyFolder]
BASE = [90.0, 90.4, 89.8, 90.2, 90.1, 89.9, 90.3, 90.0]
PLUS = [1.0, 0.8, 1.2, 0.9, 1.1, 1.0, 0.7, 1.3]


def shifted(by: float, wobble: float = 1.0) -> list[float]:
    return [round(b + by + wobble * (p - 1), 3) for b, p in zip(BASE, PLUS, strict=True)]


def test_the_primary_contrast_decides(written: Written) -> None:
    study = written({"3x3": BASE, "5x5": shifted(3), "5x5-hamming": shifted(1)})
    found = analyse(study)
    expected = paired_difference(shifted(1), BASE)
    assert found.verdict is not None
    assert found.primary is not None
    assert found.verdict.answer == "holds"
    assert found.primary.effect is not None
    assert found.primary.effect.interval == pytest.approx((expected.low, expected.high))
    assert found.primary.test == sign_flip(shifted(1), BASE)
    assert found.primary.differences == pytest.approx(np.subtract(shifted(1), BASE))
    assert (found.primary.adjusted, found.primary.bootstrap) == (None, None)
    assert found.secondary[0].effect is not None
    assert found.secondary[0].effect.mean == pytest.approx(-2)
    said = verdict_text(study, found)
    assert said.startswith(
        "The claim holds: +1.00 percentage points, 95 % interval [+0.83, +1.17], 8 seeds, d = 0.3. "
        "At scale small on gratings; 3 of 3 arms, 8 of 8 seeds."
    )
    other = replace(study, design=study.design.changed({"epochs": 4, "channels_last": True}))
    said = verdict_text(other, found)
    assert "At scale small (except epochs=4, channels-last=true) on gratings;" in said
    assert said.endswith("Exploratory because it differs from its design in: settings.")


def test_every_contrast_is_summarised(written: Written, design: Design) -> None:
    leakage = {"3x3": [40.0, 40.0, 40.0], "5x5": [30.0] * 3, "5x5-hamming": [39.0, 42.0, 40.0]}
    values = {"3x3": BASE[:3], "5x5": [value + 2 for value in BASE[:3]], "5x5-hamming": shifted(1)[:3]}
    said = contrast_summary(analyse(written(values, leakage=leakage)))
    assert said == (
        "above 0: test accuracy (%): 5x5-hamming minus 3x3 (+1.00); "
        "below 0: test accuracy (%): 5x5-hamming minus 5x5 (−1.00); "
        "interval includes 0: leakage L(1/4) (%): 3x3 minus 5x5-hamming (−0.33)"
    )
    assert (
        contrast_summary(analyse(written({"3x3": BASE[:1], "5x5": BASE[:1], "5x5-hamming": BASE[:1]}, name="one")))
        == ""
    )
    alike = replace(design, secondary=design.secondary[:1])  # all of one metric, which need not be said
    said = contrast_summary(analyse(written(values, design=alike, name="alike")))
    assert said == "above 0: 5x5-hamming minus 3x3 (+1.00); below 0: 5x5-hamming minus 5x5 (−1.00)"


@pytest.mark.parametrize(
    ("by", "wobble", "said"),
    [
        (0.15, 0.1, "The claim holds, but the effect is smaller than the smallest one of interest: +0.15"),
        (0.0, 0.1, "The claim does not hold: +0.00"),
        (-2.0, 1.0, "The claim does not hold: −2.00"),
        (0.2, 4.0, "The claim is not settled; about "),
    ],
)
def test_every_answer(written: Written, by: float, wobble: float, said: str) -> None:
    study = written({"3x3": BASE, "5x5": BASE, "5x5-hamming": shifted(by, wobble)})
    assert verdict_text(study, analyse(study)).startswith(said)


def test_secondary_contrasts_are_adjusted_and_less_leakage_is_better(written: Written) -> None:
    leakage = {"3x3": [40.0] * 8, "5x5": [30.0] * 8, "5x5-hamming": [39.0 + 0.1 * i for i in range(8)]}
    study = written({"3x3": BASE, "5x5": shifted(0.1), "5x5-hamming": shifted(1)}, leakage=leakage)
    first, second = analyse(study).secondary
    assert second.effect is not None
    assert second.effect.mean == pytest.approx(40 - 39.35)
    assert (first.test, second.test) == (
        sign_flip(shifted(1), shifted(0.1)),
        sign_flip([40.0] * 8, leakage["5x5-hamming"]),
    )
    assert (first.adjusted, second.adjusted) == (2 * 0.0078125, 2 * 0.0078125)


def test_only_seeds_that_all_variants_of_a_contrast_have_count(written: Written) -> None:
    mine: list[float | None] = [*shifted(1)]
    mine[2] = None
    study = written({"3x3": [*BASE[:7], None], "5x5": [None] * 8, "5x5-hamming": mine})
    found = analyse(study)
    assert found.primary is not None
    assert found.primary.seeds == (0, 1, 3, 4, 5, 6)
    assert found.secondary[0].effect is None
    assert found.secondary[0].adjusted is None
    assert "Provisional: 14 of 24 runs are finished." in verdict_text(study, found)


def test_without_a_pair_there_is_no_verdict(written: Written) -> None:
    study = written({"3x3": [90.0, None], "5x5": [90.0, None], "5x5-hamming": [None, 91.0]})
    assert analyse(study).verdict is None
    assert verdict_text(study, analyse(study)).startswith("No verdict")
    one = written({"3x3": [90.0], "5x5": [90.0], "5x5-hamming": [91.0]}, name="one")
    assert verdict_text(one, analyse(one)).startswith("The claim is not settled; there is no interval yet: +1.00")


def test_means_of_several_variants(written: Written, design: Design) -> None:
    both = replace(design, primary=Contrast(("5x5", "5x5-hamming"), ("3x3",)), secondary=())
    study = written({"3x3": BASE, "5x5": shifted(1), "5x5-hamming": shifted(3)}, both)
    expected = np.subtract(np.add(shifted(1), shifted(3)) / 2, BASE)
    primary = analyse(study).primary
    assert primary is not None
    assert primary.differences == pytest.approx(expected)


def test_twenty_seeds_have_a_bootstrap(written: Written) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(mean, 0.3, 20).round(3).tolist() for mean in (91, 90))
    found = analyse(written({"3x3": b, "5x5": b, "5x5-hamming": a}))
    assert found.primary is not None
    assert found.primary.bootstrap == bootstrap_difference(a, b)


def test_an_association_is_within_variants(written: Written, design: Design) -> None:
    names = ("3x3", "5x5", "5x5-hamming")
    made = replace(design, primary=Association("leakage", names), secondary=(), smallest=0.1)
    rng = np.random.default_rng(1)
    leakage = {name: (40 - 10 * i + rng.normal(0, 1, 8)).tolist() for i, name in enumerate(names)}
    less = {n: (90 + 5 * i - 0.5 * np.subtract(leakage[n], 40 - 10 * i)).tolist() for i, n in enumerate(names)}
    study = written(less, made, leakage=leakage)
    found = analyse(study)
    assert found.verdict is not None
    assert found.verdict.answer == "holds"
    spread = np.sqrt(np.mean([np.var(leakage[name], ddof=1) for name in names]))
    assert found.verdict.effect.mean == pytest.approx(0.5 * spread)
    assert found.primary is not None
    assert found.primary.test is None
    assert "The claim holds: +0." in verdict_text(study, found)


def test_a_baseline_that_learnt_too_little_is_said(written: Written, design: Design) -> None:
    made = replace(design, least={"gratings": 91.0})
    low = written({"3x3": BASE, "5x5": BASE, "5x5-hamming": BASE}, made)
    assert baseline_warning(low) == "3x3 reaches only 90.09 %; this study was agreed not to count below 91 %."
    assert baseline_warning(written({"3x3": [92.0], "5x5": [1.0], "5x5-hamming": [1.0]}, made, name="t")) == ""
    smoke = written({"3x3": BASE, "5x5": BASE, "5x5-hamming": BASE}, made, name="u", scale="smoke")
    assert baseline_warning(smoke) == ""


def test_three_primaries_are_judged_under_holm_and_equivalence_is_tested(written: Written, design: Design) -> None:
    made = replace(
        design,
        co_primary=(Contrast(("5x5-hamming",), ("5x5",)), Contrast(("5x5",), ("3x3",))),
        secondary=(),
        equivalent=(Contrast(("5x5-hamming",), ("5x5",)),),
    )
    rng = np.random.default_rng(0)
    close = [round(value + w, 3) for value, w in zip(shifted(1), rng.normal(0, 0.05, 8), strict=True)]
    study = written({"3x3": BASE, "5x5": shifted(1), "5x5-hamming": close}, made)
    found = analyse(study)
    effects = [each.effect for each in found.primaries if each.effect]
    assert [each.verdict for each in found.primaries] == verdicts(effects, 0.3)
    p = [ttest_1samp(each.differences, 0)[1] for each in found.primaries]
    assert [each.adjusted for each in found.primaries] == pytest.approx(list(multipletests(p, method="holm")[1]))
    (equal,) = found.equivalent
    assert equal.p == pytest.approx(equivalence(close, shifted(1), 0.3))
    (row,) = equivalence_table(found)[0].rows
    assert (row[-1], row[3]) == ("equivalent", 8)
    said = verdict_text(study, found)
    assert said.startswith("test accuracy (%): 5x5-hamming minus 3x3: the claim holds: +")
    assert "test accuracy (%): 5x5-hamming minus 5x5: the claim does not hold: " in said
    assert said.count("Holm's p") == 3


def test_what_the_seeds_can_see_stands_beside_what_is_not_settled(written: Written) -> None:
    study = written({"3x3": BASE, "5x5": BASE, "5x5-hamming": shifted(0.2, 4.0)})
    found = analyse(study)
    assert found.primary is not None
    assert found.primary.effect is not None
    assert found.primary.detectable == detectable_effect(found.primary.effect, 8)
    assert f"8 seeds see an effect of {found.primary.detectable:.2f} with 80 % power." in verdict_text(study, found)
    table = contrasts_table(study, found)
    assert table.rows[0][-2] == found.primary.detectable
    first = found.secondary[0]
    assert first.effect is not None
    assert first.detectable == detectable_effect(first.effect, 8, 0.05 / 2)
