"""The verdicts of a study in sentences: what the interval says, and whether the study may decide at all."""

from __future__ import annotations

from windowconv.lab.evaluations.registry import find_metric
from windowconv.lab.statistics.verdicts import Verdict
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import Analysis, ContrastResult
from windowconv.lab.studies.reports.tables import interval_text
from windowconv.lab.studies.standing import LEAST_SEEDS, Standing, standing

RULE = (
    "The rule was fixed before any run. It uses the paired-t interval of each primary contrast over seeds (95 %; "
    "several are judged together under Holm): the claim holds if the whole interval is above 0; otherwise it does not "
    "hold if the upper end is below d, the smallest effect of interest, and is not settled if the upper end is d or "
    "more. No test over images decides, because it would ignore that another seed gives another network. Only a study "
    "decides whose design was committed before its first run, whose code had no uncommitted changes, and which has all "
    f"its arms and seeds, {LEAST_SEEDS} seeds at least; any other is exploratory or not settled, whatever its interval."
)
EXPLORATORY = "Exploratory, no verdict"


def verdict_text(study: StudyFolder, found: Analysis) -> str:
    """The verdict on each primary contrast, with effect, interval, seeds and scale; empty without a claim."""
    if not found.primaries:
        return ""
    stands, alone = standing(study), len(found.primaries) == 1
    if all(each.verdict is None for each in found.primaries):
        return f"No verdict: no seed has all runs of the primary contrast yet; {stands}."
    sentences = [_sentence(study, each, stands, alone) for each in found.primaries]
    where = f"At scale {study.scale}{_changes(study)} on {study.data}; {stands}."
    if study.finished < study.wanted:
        where += f" Provisional: {study.finished} of {study.wanted} runs are finished."
    return " ".join(filter(None, [*sentences, where, why_not(stands)]))


def short_verdict(study: StudyFolder, found: ContrastResult) -> str:
    """The verdict on a contrast for tables: one or a few words, the effect and its interval."""
    if found.effect is None:
        return "not run"
    stands = standing(study)
    if stands.exploratory or found.verdict is None:
        word = "exploratory"
    else:
        word = "not settled" if stands.unfinished else found.verdict.answer
    return f"{word}: {effect_text(found)}, {found.effect.n} seeds"


def why_not(stands: Standing) -> str:
    """Why a study does not decide, in a sentence; empty if it does."""
    if stands.exploratory:
        return f"Exploratory because {'; '.join(stands.exploratory + stands.unfinished)}."
    if stands.unfinished:
        return f"Not settled because {'; '.join(stands.unfinished)}."
    return ""


def effect_text(found: ContrastResult) -> str:
    """The effect and its 95 % interval, such as "+0.30 [+0.18, +0.42]"."""
    assert found.effect
    interval = "" if found.effect.interval is None else f" {interval_text(*found.effect.interval)}"
    return f"{found.effect.mean:+z.2f}".replace("-", "−") + interval


def _sentence(study: StudyFolder, found: ContrastResult, stands: Standing, alone: bool) -> str:
    name = "" if alone else f"{found.contrast}: "
    if found.effect is None or found.verdict is None:
        return f"{name}no seed has all its runs yet."
    effect, unit = found.effect, find_metric(found.contrast.metric).unit
    interval = "" if effect.interval is None else f", 95 % interval {interval_text(*effect.interval)}"
    seeds = f"{effect.n} seed{'s' if effect.n > 1 else ''}"
    mean = f"{effect.mean:+z.2f}".replace("-", "−")
    adjusted = "" if found.adjusted is None else f", Holm's p {found.adjusted:.4f}"
    text = f"{name}{_answer(found.verdict, stands, alone)}: {mean} {unit}{interval}{adjusted}, {seeds}, "
    text += f"d = {study.design.smallest:g}."
    if found.verdict.answer == "not settled" and found.detectable is not None:
        text += f" {seeds[0].upper()}{seeds[1:]} see an effect of {found.detectable:.2f} with 80 % power."
    return text


def _answer(verdict: Verdict, stands: Standing, alone: bool) -> str:
    if stands.exploratory:
        return f"{EXPLORATORY}; {_interval_words(verdict)}"
    subject = "The claim" if alone else "the claim"
    if stands.unfinished:
        return f"{subject} is not settled; {_interval_words(verdict)}"
    return f"{subject} is {verdict}" if verdict.answer == "not settled" else f"{subject} {verdict}"


def _interval_words(verdict: Verdict) -> str:
    """What the interval says, in words that claim nothing."""
    if verdict.effect.interval is None:
        return "there is no interval yet"
    words = {"holds": "the interval lies above 0", "does not hold": "the interval ends below d"}
    return words.get(verdict.answer, "the interval includes 0 and d")


def _changes(study: StudyFolder) -> str:
    """The changes to the recipe: a verdict at another schedule is not one about the recipe's."""
    changes = [f"{name.replace('_', '-')}={str(value).lower()}" for name, value in study.design.changes]
    return f" (except {', '.join(changes)})" if changes else ""
