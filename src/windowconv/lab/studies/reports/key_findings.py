"""The README's sentences: what the studies say about kernel size, about the window, and about leakage and attacks.

Only what is compared is written here. Numbers and verbs come from the records: new runs can reverse a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from windowconv.lab.statistics.effects import Effect
from windowconv.lab.studies.design.design import Contrast
from windowconv.lab.studies.reports.analysis import ContrastResult
from windowconv.lab.studies.reports.best_result import TITLES, best_result
from windowconv.lab.studies.reports.entries import Entry
from windowconv.lab.studies.reports.verdict_text import effect_text

NOTE = (
    "Mean differences over seeds in percentage points with 95 % intervals, positive where the first is better; of test "
    "accuracy unless leakage or attacks are named. Intervals are not adjusted for the number of contrasts."
)


@dataclass(frozen=True)
class Verbs:
    """What a difference of a metric is called, with {} for what is compared with.

    Args:
        better, worse: the interval lies above 0, or below 0.
        unclear: it includes 0.
    """

    better: str
    worse: str
    unclear: str

    def of(self, effect: Effect) -> str:
        """The one that the effect's 95 % interval allows."""
        low, high = effect.interval or (0.0, 0.0)
        return self.better if low > 0 else self.worse if high < 0 else self.unclear


VERBS = {
    "accuracy": Verbs("beat {}", "lose to {}", "do not differ clearly from {}"),
    "leakage": Verbs("leak less than {}", "leak more than {}", "do not differ clearly in leakage from {}"),
    "robust-accuracy": Verbs(
        "withstand L∞ attacks better than {}",
        "withstand L∞ attacks less well than {}",
        "do not differ clearly under L∞ attacks from {}",
    ),
}


@dataclass(frozen=True)
class Clause:
    """A contrast in words.

    Args:
        contrast: as the studies name it.
        first, second: what is compared with what.
    """

    contrast: Contrast
    first: str
    second: str


def _clause(better: str, worse: str, first: str, second: str, metric: str = "accuracy") -> Clause:
    return Clause(Contrast((better,), (worse,), metric), first, second)


SENTENCES: dict[str, tuple[Clause, ...]] = {
    "Kernel size": (
        _clause("5x5", "3x3", "at equal width, 5x5 kernels", "3x3 kernels"),
        _clause("7x7", "3x3", "7x7 kernels", "3x3 kernels"),
        _clause("7x7-hamming-params", "3x3", "with as many parameters, windowed 7x7 networks", "3x3 networks"),
    ),
    "Window": (
        _clause("7x7-hamming", "7x7", "7x7 kernels with a Hamming window", "plain 7x7 kernels"),
        _clause("7x7-hamming", "5x5", "windowed 7x7 kernels", "plain 5x5 kernels"),
    ),
    "Leakage and attacks": (
        _clause("7x7-hamming", "3x3", "at L(1/4), trained 7x7 kernels with a Hamming window", "3x3 kernels", "leakage"),
        _clause("7x7-hamming", "7x7", "they", "plain 7x7 kernels", "leakage"),
        _clause("7x7-hamming", "3x3", "their networks", "3x3 networks", "robust-accuracy"),
        _clause("7x7-hamming", "7x7", "they", "plain 7x7 networks", "robust-accuracy"),
    ),
}


def key_findings(entries: Sequence[Entry], up: str = "") -> list[str]:
    """A line of Markdown for each sentence that the studies have something to say about.

    Args:
        entries: of any design and data. Of those that measured one contrast on the same data, the strong regime counts
            more than the first evidence; then see `best_result`.
        up: leads from the page to the checkout.
    """
    lines = []
    for title, clauses in SENTENCES.items():
        said = [text for each in clauses if (text := _words(each, _by_data(each.contrast, entries), up))]
        if said:
            text = "; ".join(said)
            lines.append(f"- **{title}.** {text[0].upper()}{text[1:]}.")
    return lines


def how_firm(entries: Sequence[Entry]) -> str:
    """How much the sentences can be relied on, in one."""
    deciding = [entry for entry in entries if entry.standing.decides]
    if not deciding:
        return "No study here decides yet: all of this is exploratory."
    named = ", ".join(entry.name for entry in deciding)
    return f"What rests on {named} was named beforehand and carried out as designed; the rest is exploratory."


def _by_data(contrast: Contrast, entries: Sequence[Entry]) -> dict[str, tuple[Entry, ContrastResult]]:
    found = {}
    for data in dict.fromkeys(entry.study.data for entry in entries):
        mine = [entry for entry in entries if entry.study.data == data]
        best = best_result(contrast, [e for e in mine if e.is_strong]) or best_result(contrast, mine)
        if best is not None:
            found[data] = best
    return found


def _words(clause: Clause, by_data: dict[str, tuple[Entry, ContrastResult]], up: str) -> str:
    """The clause, its data sets grouped by what their intervals say; empty if no study has it."""
    groups: dict[str, list[str]] = {}
    for data in sorted(by_data, key=[*TITLES, *sorted(by_data)].index):
        entry, result = by_data[data]
        assert result.effect
        scale = "" if entry.study.scale == "small" else f", scale {entry.study.scale}"
        text = f"{TITLES.get(data, data)} ({effect_text(result)}, {entry.link(f'{result.effect.n} seeds', up)}{scale})"
        groups.setdefault(VERBS[clause.contrast.metric].of(result.effect), []).append(text)
    objects = chain([clause.second], repeat("them"))
    phrases = [f"{verb.format(next(objects))} on {' and '.join(texts)}" for verb, texts in groups.items()]
    return f"{clause.first} {', and '.join(phrases)}" if phrases else ""
