"""`windowconv report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from windowconv.lab.commands.options import Figures


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write a study's report.html and its tables again, from its run folders."""

    group: ClassVar = "try"

    study_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="STUDY", metavar="STUDY")]
    """A folder that `study` or `compare` wrote."""
    export: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Also export the study without weights into this folder."""
    figures: Figures = ()

    def run(self) -> None:
        """Write the report."""
        from windowconv.lab.studies.execution.evaluations import record_leakage
        from windowconv.lab.studies.folder import StudyFolder
        from windowconv.lab.studies.reports.export import export_study
        from windowconv.lab.studies.reports.report import write_report

        study = StudyFolder.open(self.study_folder)
        record_leakage(study)
        print(f"Report: {write_report(study, self.figures).resolve()}")
        if self.export is not None:
            print(f"Without weights: {export_study(study, self.export).resolve()}")
