"""The paper's claims, and what the first evidence and the strong regime say of each: one table, from the records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from windowconv.lab.studies.design.design import Contrast, minus
from windowconv.lab.studies.reports.analysis import ContrastResult
from windowconv.lab.studies.reports.best_result import TITLES, best_result
from windowconv.lab.studies.reports.entries import Entry
from windowconv.lab.studies.reports.verdict_text import effect_text

DATA = ("fashion-mnist", "cifar10", "cifar100", "imagenet")
NOT_RUN = "not run"


@dataclass(frozen=True)
class PaperClaim:
    """A claim of the paper, or what it leaves open.

    Args:
        text: the claim.
        contrast: that it says is above 0.
        study: of the catalogue, that tests it on any data; empty for the one that is named after the data.
        data: on which images it is claimed; where it was measured, if empty.
    """

    text: str
    contrast: Contrast
    study: str = ""
    data: tuple[str, ...] = ()


LEAKAGE = "leakage-by-size"
CLAIMS = (
    PaperClaim("Trained kernels of 3x3 leak more than those of 7x7.", minus("7x7", "3x3", "leakage"), LEAKAGE),
    PaperClaim(
        "With a Hamming window, 7x7 kernels leak less than 3x3.", minus("7x7-hamming", "3x3", "leakage"), LEAKAGE
    ),
    PaperClaim("The window is what makes 7x7 kernels leak less.", minus("7x7-hamming", "7x7", "leakage"), LEAKAGE),
    PaperClaim("Windowed 7x7 networks classify better than 3x3.", minus("7x7-hamming", "3x3"), data=DATA),
    PaperClaim("… because of the window.", minus("7x7-hamming", "7x7"), data=DATA),
    PaperClaim("… and better than plain 5x5.*", minus("7x7-hamming", "5x5")),
    PaperClaim("… also with as many parameters.*", minus("7x7-hamming-params", "3x3")),
    PaperClaim(
        "Windowed 7x7 networks withstand attacks better than 3x3.",
        minus("7x7-hamming", "3x3", "robust-accuracy"),
        "robustness",
    ),
    PaperClaim("… because of the window.", minus("7x7-hamming", "7x7", "robust-accuracy"), "robustness"),
)
NOTE = (
    "*Not claimed by the paper, and needed for its claim to be of use. Differences are in points, positive where they "
    "support the claim, with 95 % intervals over seeds. A word in bold is a verdict. *Exploratory* is what no study "
    "decided; *secondary* what a deciding study measured beside its claim."
)


def paper_claims(entries: Sequence[Entry], up: str = "") -> str:
    """The table, as Markdown.

    Args:
        entries: the studies.
        up: leads from the page to the checkout.
    """
    lines = ["| claim | images | first evidence: small networks | strong regime |", "| :--- | :--- | :--- | :--- |"]
    for claim in CLAIMS:
        for data, cells in claim_rows(claim, entries, up):
            lines.append(f"| {claim.text} | {TITLES.get(data, data)} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", NOTE])


def claim_rows(claim: PaperClaim, entries: Sequence[Entry], up: str) -> Iterator[tuple[str, list[str]]]:
    """By data set what the first evidence and the strong regime say."""
    for data in dict.fromkeys((*DATA, *(entry.study.data for entry in entries))):
        cells = []
        for strong in (False, True):
            best = best_result(claim.contrast, [e for e in entries if e.study.data == data and e.is_strong == strong])
            cells.append(NOT_RUN if best is None else f"{judged(*best)}, {_seeds(*best, up)}")
        if data in claim.data or cells != [NOT_RUN] * 2:
            yield data, cells


def judged(entry: Entry, result: ContrastResult) -> str:
    """A verdict, or what the interval says, with the effect."""
    assert result.effect
    assert result.effect.interval
    low, high = result.effect.interval
    where = "above 0" if low > 0 else "below 0" if high < 0 else "includes 0"
    named = result in entry.analysis.contrasts
    if entry.standing.exploratory or not named:
        word = f"exploratory, {where}"
    elif result.verdict is None:
        word = f"secondary, {where}"
    else:
        word = "not settled yet" if entry.standing.unfinished else f"**{result.verdict.answer}**"
    return f"{word}: {effect_text(result)}"


def _seeds(entry: Entry, result: ContrastResult, up: str) -> str:
    assert result.effect
    return entry.link(f"{result.effect.n} seeds", up)
