"""docs/evidence.md and the README's block about it, made from the studies under results/studies/.

    python -m windowconv.lab.studies.reports.evidence                   # writes both
    python -m windowconv.lab.studies.reports.evidence --check           # says whether they are in step

Every study of the catalogue is in it: those that were not run at evidence scale say so.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from windowconv.errors import InputError
from windowconv.files import replace_file
from windowconv.lab.studies.design.catalogue import LIMITS, STUDIES
from windowconv.lab.studies.design.design import Design
from windowconv.lab.studies.folder import STUDY, StudyFolder
from windowconv.lab.studies.reports.analysis import baseline_warning, findings
from windowconv.lab.studies.reports.contrast_summary import NOTE, plainly
from windowconv.lab.studies.reports.key_findings import NOTE as SENTENCES_NOTE
from windowconv.lab.studies.reports.key_findings import key_findings
from windowconv.lab.studies.reports.tables import RULE, all_tables, answer
from windowconv.report import as_markdown

RESULTS = Path("results/studies")
PAGE = Path("docs/evidence.md")
README = Path("README.md")
BEGIN, END = "<!-- evidence: made by python -m windowconv.lab.studies.reports.evidence -->", "<!-- end of evidence -->"
SIZE_AND_WINDOW = (
    "7x7-hamming minus 3x3 measures kernel size and window together; 7x7-hamming minus 7x7 measures the window alone "
    "(see contrast by contrast)."
)
NOT_RUN = "not run at evidence scale"
EVIDENCE_SCALES = ("small", "paper")


def evidence(checkout: Path) -> dict[str, list[StudyFolder]]:
    """The exported studies at evidence scale, by the name of their design; every design of the catalogue is a key."""
    found: dict[str, list[StudyFolder]] = {name: [] for name in STUDIES}
    for path in sorted((checkout / RESULTS).glob(f"*/{STUDY}")):
        study = StudyFolder.open(path.parent)
        if study.scale in EVIDENCE_SCALES and study.finished:
            found.setdefault(study.design.name, []).append(study)
    return found


def page(checkout: Path) -> str:
    """docs/evidence.md."""
    parts = [
        "# Evidence",
        "Made by `python -m windowconv.lab.studies.reports.evidence` from [results/studies](../results/studies): do "
        "not edit it. [studies.md](studies.md) explains how a study is run and judged.",
        RULE,
        SIZE_AND_WINDOW,
        _overview(evidence(checkout), "../"),
        *_in_words(evidence(checkout)),
    ]
    for name, studies in evidence(checkout).items():
        parts += _chapter(STUDIES.get(name), studies)
    return "\n\n".join(parts) + "\n"


def _overview(found: dict[str, list[StudyFolder]], root: str) -> str:
    """A table of all claims and their verdicts."""
    lines = ["| study | claim | verdict |", "| :--- | :--- | :--- |"]
    for name, studies in found.items():
        if not studies:
            lines.append(f"| {name} | {STUDIES[name].claim} | {NOT_RUN} |")
        for study in studies:
            link = f"[{study.folder.name}]({root}{RESULTS.as_posix()}/{study.folder.name}/tables.md)"
            lines.append(f"| {link} | {study.design.claim} | {_verdict(study)} |")
    return "\n".join(lines)


def _in_words(found: dict[str, list[StudyFolder]]) -> list[str]:
    """All contrasts of the studies that were run, the ones against the paper too."""
    studies = [study for those in found.values() for study in those]
    said = {study.folder.name: plainly(findings(study)) for study in studies}
    lines = [f"- `{name}`: {text}." for name, text in said.items() if text]
    return [f"**Contrast by contrast.** {NOTE}", "\n".join(lines)] if lines else []


def _verdict(study: StudyFolder) -> str:
    text = answer(study, findings(study))
    warning = baseline_warning(study)
    return f"{text} {warning}".strip()


def _chapter(design: Design | None, studies: list[StudyFolder]) -> list[str]:
    parts = []
    if not studies and design is not None:
        return [f"## {design.name}", f"Claim: {design.claim}", f"Primary contrast: {design.primary}.", f"*{NOT_RUN}*"]
    for study in studies:
        limits = [study.design.limits, LIMITS.get(study.record["data"]["name"], "")]
        parts += [f"## {study.folder.name}", f"Claim: {study.design.claim}", f"**{_verdict(study)}**"]
        parts += [text for text in limits if text]
        parts += [as_markdown(table) for table in all_tables(study, findings(study))]
        parts.append(_facts(study))
    return parts


def _facts(study: StudyFolder) -> str:
    data = study.record["data"]
    return (
        f"{study.finished} of {study.wanted} runs; {data['train']:,} training images ({data['train_hash'][:12]}), "
        f"{data['test']:,} test images ({data['test_hash'][:12]}); {study.environment('device')}, "
        f"torch {study.environment('torch')}, windowconv {study.environment('windowconv')}."
    )


def block(checkout: Path) -> str:
    """What stands between the README's marks."""
    found = evidence(checkout)
    sentences = key_findings([study for studies in found.values() for study in studies], RESULTS)
    missing = ", ".join(f"`{name}`" for name, studies in found.items() if not studies)
    parts = [BEGIN, *(["\n".join(sentences), SENTENCES_NOTE] if sentences else [])]
    parts += [f"Not yet run at evidence scale: {missing}."] if missing else []
    return "\n\n".join([*parts, f"Every study, contrast and table: [the evidence]({PAGE.as_posix()}).", END])


def with_block(readme: str, block: str) -> str:
    """The README with its block replaced; an `InputError` where the marks are missing."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{README}: the marks {BEGIN!r} and {END!r} are missing")
    return before + block + after


def out_of_step(checkout: Path) -> list[str]:
    """The files that are not what the results say."""
    readme = (checkout / README).read_text(encoding="utf-8")
    wanted = {PAGE: page(checkout), README: with_block(readme, block(checkout))}
    return [
        str(path)
        for path, text in wanted.items()
        if not (checkout / path).is_file() or (checkout / path).read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Write both files, or check them."""
    parser = argparse.ArgumentParser(
        prog="windowconv.lab.studies.reports.evidence", description="docs/evidence.md and the README's block"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a file is out of step")
    checkout = Path.cwd()
    try:
        if parser.parse_args().check:
            wrong = out_of_step(checkout)
            print("\n".join(f"{name} is out of step" for name in wrong) or "in step")
            return bool(wrong)
        replace_file(checkout / PAGE, page(checkout).encode())
        readme = (checkout / README).read_text(encoding="utf-8")
        replace_file(checkout / README, with_block(readme, block(checkout)).encode())
    except InputError as error:
        print(f"windowconv: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
