"""The part of a study's report about its claim: the verdict and the contrasts that were named beforehand."""

from __future__ import annotations

from windowconv import plots
from windowconv.lab.evaluations.registry import find_metric
from windowconv.lab.studies.design.design import Design
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.analysis import Analysis, ContrastResult, baseline_warning
from windowconv.lab.studies.reports.contrast_summary import contrast_summary
from windowconv.lab.studies.reports.limits import data_limits
from windowconv.lab.studies.reports.tables import contrasts_table
from windowconv.lab.studies.reports.verdict_text import RULE, verdict_text
from windowconv.plots.contrasts import contrasts
from windowconv.report import Block, Figure, Section, Text


def claim_section(study: StudyFolder, found: Analysis) -> list[Section]:
    """Claim, verdict, rule, limits and contrasts; nothing for a study without a claim."""
    design = study.design
    if found.primary is None:
        return []
    summary = contrast_summary(found)
    paragraphs = [
        f"Claim: {design.claim}",
        verdict_text(study, found),
        f"Primary contrast: {found.primary.contrast}.",
        f"Contrasts by their 95 % intervals: {summary}." if summary else "",
        RULE,
        baseline_warning(study),
        design.limits,
        data_limits(study),
        "" if study.scale == "paper" else "Networks of this size and training are far from the paper's.",
    ]
    measured = [each for each in found.contrasts if each.differences]
    text = Text("\n\n".join(filter(None, paragraphs)))
    blocks: list[Block] = [text, *_contrast_figures(measured, design), contrasts_table(study, found)]
    return [Section("Claim and verdict", blocks)]


def _contrast_figures(measured: list[ContrastResult], design: Design) -> list[Figure]:
    """A figure of differences for each metric, the primary contrast's first."""
    figures = []
    for metric in dict.fromkeys(each.contrast.metric for each in measured):
        shown = {_sides(each): each for each in measured if each.contrast.metric == metric}
        title = find_metric(metric).title
        drawn = contrasts(
            {name: list(each.differences) for name, each in shown.items()},
            {name: None if each.effect is None else each.effect.interval for name, each in shown.items()},
            design.smallest if design.primary and metric == design.primary.metric else None,
            f"difference in {title.removesuffix(' (%)')} (points), positive as claimed",
        )
        caption = f"Paired differences in {title}, each named beforehand."
        figures.append(Figure(plots.svg(drawn), caption, f"Differences with intervals: {', '.join(shown)}"))
    return figures


def _sides(found: ContrastResult) -> str:
    """What is subtracted from what, without the metric."""
    return str(found.contrast).partition(": ")[2]
