"""The README's sentences: what the studies say about kernel size, about the window, and about leakage and attacks.

Only what is compared is written here. Numbers and verbs come from the records: new runs can reverse a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import PurePath

from windowconv.lab.statistics.verdicts import Effect
from windowconv.lab.studies.design.design import Contrast
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import Analysis
from windowconv.lab.studies.reports.tables import interval_text

TITLES = {"fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet": "ImageNet"}
NOTE = (
    "Numbers are mean differences over seeds in percentage points, with 95 % intervals, positive where the first is "
    "better; of test accuracy unless leakage or attacks are named, at scale [small](docs/studies.md#scales). Each "
    "contrast was named before its runs; the intervals are not adjusted for the number of contrasts."
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


Measured = dict[Contrast, dict[str, tuple[Effect, StudyFolder]]]
"""Each contrast's effect by data set, and the study that it is from."""


def _clause(better: str, worse: str, first: str, second: str, metric: str = "accuracy") -> Clause:
    return Clause(Contrast((better,), (worse,), metric), first, second)


SENTENCES: dict[str, tuple[Clause, ...]] = {
    "Kernel size": (
        _clause("7x7", "3x3", "at equal width, 7x7 kernels", "3x3 kernels"),
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


def key_findings(studies: Sequence[tuple[StudyFolder, Analysis]], results: PurePath) -> list[str]:
    """A line of Markdown for each sentence that the studies have something to say about.

    Args:
        studies: with their contrasts measured, of any design and data; of those with one contrast on the same data,
            the one with most seeds counts.
        results: where their folders are, as the links have it.
    """
    measured = _measured(studies)
    lines = []
    for title, clauses in SENTENCES.items():
        text = "; ".join(
            _words(each, measured[each.contrast], results) for each in clauses if each.contrast in measured
        )
        if text:
            lines.append(f"- **{title}.** {text[0].upper()}{text[1:]}.")
    return lines


def _measured(studies: Sequence[tuple[StudyFolder, Analysis]]) -> Measured:
    measured: Measured = {}
    for study, analysis in studies:
        for each in analysis.contrasts:
            if isinstance(each.contrast, Contrast) and each.effect and each.effect.interval:
                by_data = measured.setdefault(each.contrast, {})
                if study.data not in by_data or each.effect.n > by_data[study.data][0].n:
                    by_data[study.data] = (each.effect, study)
    return measured


def _words(clause: Clause, by_data: dict[str, tuple[Effect, StudyFolder]], results: PurePath) -> str:
    """The clause, its data sets grouped by what their intervals say."""
    groups: dict[str, list[str]] = {}
    for data in sorted(by_data, key=[*TITLES, *sorted(by_data)].index):
        effect, study = by_data[data]
        mean = f"{effect.mean:+z.2f}".replace("-", "−")
        link = f"[{effect.n} seeds]({results.as_posix()}/{study.folder.name}/tables.md)"
        scale = "" if study.scale == "small" else f", scale {study.scale}"
        text = f"{TITLES.get(data, data)} ({mean} {interval_text(*effect.interval or (0, 0))}, {link}{scale})"
        groups.setdefault(VERBS[clause.contrast.metric].of(effect), []).append(text)
    objects = chain([clause.second], repeat("them"))
    phrases = [f"{verb.format(next(objects))} on {' and '.join(texts)}" for verb, texts in groups.items()]
    return f"{clause.first} {', and '.join(phrases)}"
