"""`windowconv study` and `windowconv report`, as a user types them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from windowconv.lab.studies.design.catalogue import STUDIES
from windowconv.lab.studies.design.design import Design
from windowconv.lab.studies.folder import StudyFolder
from windowconv.lab.studies.reports.evidence import BEGIN, END

Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def known(design: Design, monkeypatch: pytest.MonkeyPatch) -> Design:
    """The tiny study, in the catalogue."""
    monkeypatch.setitem(STUDIES, design.name, design)
    return design


def test_without_a_name_the_studies_are_listed(shell: Shell) -> None:
    code, out, _ = shell("study")
    assert code == 0
    assert all(name in out and design.claim in out for name, design in STUDIES.items())


def test_a_study_runs_reports_and_exports(known: Design, shell: Shell, tmp_path: Path) -> None:
    words = "study tiny-claim --scale small --seeds 1 --settings epochs=1 --threads 1 --evaluations shift"
    code, out, err = shell(words)
    assert code == 0, err
    folder = tmp_path / "here/runs/studies/tiny-claim-gratings-small"
    assert f"Report: {folder / 'report.html'}" in out
    assert "Exploratory, no verdict" in out  # its design is in no catalogue's file
    assert "3 of 3 arms, 1 of 2 seeds" in out
    assert "percentage points" in out
    assert "shift consistency (%)" in out
    code, out, _ = shell(words)
    assert code == 0
    assert "3 runs, trained for" in out
    (folder / "report.html").unlink()
    code, out, err = shell("report", folder, "--export", tmp_path / "results/tiny")
    assert code == 0, err
    assert (folder / "report.html").is_file()
    assert (tmp_path / "results/tiny/tables.md").is_file()
    code, out, err = shell("report", tmp_path / "results/tiny")
    assert code == 0, err
    assert (tmp_path / "results/tiny/report.html").is_file()
    assert not list((tmp_path / "results").rglob("*.safetensors"))


def test_a_dry_run_trains_nothing(known: Design, shell: Shell, tmp_path: Path) -> None:
    code, out, err = shell("study tiny-claim --dry-run --seeds 3")
    assert code == 0, err
    assert "In all: 9 runs to train" in out
    assert "On one H200: about" in out
    assert "On eight H200: about" in out
    assert "$" not in out
    assert list((tmp_path / "here").iterdir()) == []


def test_runs_that_fail_are_said_at_the_end(known: Design, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from windowconv.errors import InputError
    from windowconv.lab.studies.execution import jobs
    from windowconv.lab.training.train import train_together

    def failing(configs, data, folders, *rest, **options):
        if folders[0].name == "5x5-seed1":
            raise InputError("the loss is nan at step 3")
        return train_together(configs, data, folders, *rest, **options)

    monkeypatch.setattr(jobs, "train_together", failing)
    code, out, err = shell("study tiny-claim --seeds 2 --settings epochs=1")
    assert code == 2
    assert "Report: " in out
    assert "1 of 6 runs failed twice, such as 5x5-seed1 (the loss is nan at step 3); the others are kept" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("study mechanims", "did you mean 'mechanism'"),
        ("study tiny-claim --variants 3x3 5x5-haming", "did you mean '5x5-hamming'"),
        ("study tiny-claim --variants 3x3 5x5", "lack '5x5-hamming', which the primary contrast needs"),
        ("study tiny-claim --seeds 0", "seeds=0; allowed: 1 or more"),
        ("study tiny-claim --settings epochs", "settings='epochs'; allowed: KEY=VALUE"),
        ("study tiny-claim --settings epoch=3", "did you mean 'epochs'"),
        ("study tiny-claim --evaluations shif", "did you mean 'shift'"),
        ("study tiny-claim --settings epochs=three", "'three' is no value of epochs"),
        ("study tiny-claim --settings epochs=0", "epochs=0; allowed: 1 or more"),
        ("study tiny-claim --settings compile=maybe", "'maybe' is no value of compile"),
        ("study tiny-claim --processes 0", "processes=0; allowed: 1 to"),
        ("study tiny-claim --processes 9999", "processes=9999; allowed: 1 to"),
        ("study tiny-claim --tune", "tune=True; allowed: a study that tunes settings"),
        (
            "study tiny-claim --export here/s --out here/s",
            "export='here/s'; allowed: another folder than the study's own",
        ),
        ("study tiny-claim --seeds-at-once 0", "seeds-at-once=0; allowed: 1 or more"),
        ("study tiny-claim --address 127.0.0.1:1", "address='127.0.0.1:1' is for --engine ray"),
        ("study tiny-claim --reuse nowhere --dry-run", "reuse='nowhere' is no folder"),
        ("study tiny-claim --store s3://b", "store='s3://b' is for --engine ray"),
        ("study tiny-claim --engine ray --processes 2", "processes=2 is for --engine local"),
        ("study tiny-claim --engine ray --address nonsense", "address='nonsense'; allowed: host:port, ray://host:port"),
        ("study tiny-claim --engine ray --address 127.0.0.1:1", "no Ray cluster answers there ("),
        ("study tiny-claim --engine ray --store what://x", "store='what://x' cannot be used"),
        ("study tiny-claim --data ./nowhere", "nowhere"),
        ("report nowhere", "no study folder"),
    ],
)
def test_what_cannot_be_done_is_one_line(words: str, message: str, known: Design, shell: Shell) -> None:
    code, out, err = shell(words)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err + out


def test_a_record_that_lacks_everything_is_damaged(known: Design, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s/study.json").write_text('{"schema_version": 1}')
    for words in (("report", tmp_path / "s"), ("study", "tiny-claim", "--out", tmp_path / "s")):
        code, _, err = shell(*words)
        assert code == 2
        assert "study.json is damaged (" in err
        assert err.count("\n") == 1


def test_a_folder_of_compare_is_reported_and_exported(shell: Shell, tmp_path: Path) -> None:
    code, _, err = shell("report", tmp_path)
    assert code == 2
    assert "no study folder (it has no study.json)" in err
    words = (
        "compare --data gratings --arms 3x3 --seeds 1 --epochs 1 --train-images 64 --test-images 32 --width 2 --depth 2"
    )
    code, out, err = shell(words, "--out", tmp_path / "c", "--dry-run")
    assert "In all: 1 runs to train" in out, err
    assert not (tmp_path / "c").exists()
    code, out, err = shell(words, "--out", tmp_path / "c")
    assert code == 0, err
    assert re.search(r"^1 run, trained for \d+ s; this took \d+ s in all\. Report: ", out, re.MULTILINE)
    assert all((tmp_path / f"c/tables.{form}").is_file() for form in ("md", "tex", "json"))
    code, out, err = shell(words, "--out", tmp_path / "c", "--dry-run")
    assert "In all: 0 runs to train" in out, err
    record = tmp_path / "c/3x3-seed0/evaluations/leakage.json"
    measured = json.loads(record.read_text())
    record.unlink()  # earlier versions did not record it
    assert shell("report", tmp_path / "c", "--figures", "pdf", "svg")[0] == 0
    assert all((tmp_path / f"c/figures/run-3x3-seed0.{form}").is_file() for form in ("pdf", "svg"))
    assert json.loads(record.read_text()) == measured
    assert "Leakage by layer" in (tmp_path / "c/report.html").read_text()
    code, _, err = shell("report", tmp_path / "c", "--export", tmp_path / "e")
    assert code == 0, err
    assert (tmp_path / "e/tables.md").read_text().startswith("**Results by variant**")
    assert shell("report", tmp_path / "e")[0] == 0
    assert not list((tmp_path / "e").rglob("*.safetensors"))


def test_a_study_is_exported_as_it_runs(known: Design, shell: Shell, tmp_path: Path) -> None:
    words = "study tiny-claim --scale small --seeds 1 --settings epochs=1 --threads 1 --no-keep-weights"
    code, out, err = shell(words, "--out", tmp_path / "s", "--export", tmp_path / "e")
    assert code == 0, err
    assert f"Without weights: {tmp_path / 'e'}" in out
    assert sorted(path.name for path in (tmp_path / "e").glob("*-seed0")) == [
        "3x3-seed0",
        "5x5-hamming-seed0",
        "5x5-seed0",
    ]
    assert not list(tmp_path.rglob("model.safetensors"))
    assert (tmp_path / "e/tables.md").read_bytes() == (tmp_path / "s/tables.md").read_bytes()
    assert shell("report", tmp_path / "e")[0] == 0


def test_evidence_is_written_and_checked(
    design: Design, written: Callable[..., StudyFolder], shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = shell("evidence")
    assert code == 2
    assert "README.md cannot be read" in err
    written({v.name: [90.0, 90.5] for v in design.variants}, design, name="results/studies/t")
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "docs/reproduce.md"):
        (tmp_path / name).write_text(f"{BEGIN}\n{END}\n")
    code, out, _ = shell("evidence --check")
    assert (code, out.count("out of step")) == (1, 6)
    code, out, _ = shell("evidence")
    assert (code, out.count("Written")) == (0, 6)
    assert shell("evidence --check") == (0, "in step\n", "")
    assert design.claim in (tmp_path / "docs/evidence.md").read_text()
