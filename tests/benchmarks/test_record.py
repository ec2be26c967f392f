"""A run that was cut goes on; rows of other code or another machine are measured again."""

import json

import pytest
from benchmarks.record import Job, Record, open_record

from benchmarks.fftconv import __main__ as fftconv

ENVIRONMENT = {"device": "a processor", "threads": 2}


def job(key, calls, value=1.0):
    def measure():
        calls.append(key)
        if value is None:
            raise KeyboardInterrupt
        return {"value": value}

    return Job(key, measure)


def run(path, jobs, environment=ENVIRONMENT, sources="digest", keep=False):
    opened, status = open_record(path, environment, sources)
    fftconv.measure(jobs, opened, keep, log=lambda line: None)
    return opened, status


def test_a_cut_run_goes_on(tmp_path):
    path, calls = tmp_path / "fftconv.json", []
    with pytest.raises(KeyboardInterrupt):
        run(path, [job("a", calls), job("b", calls, None), job("c", calls)])
    assert set(json.loads(path.read_text())["rows"]) == {"a"}
    opened, status = run(path, [job("a", calls), job("b", calls), job("c", calls)])
    assert calls == ["a", "b", "b", "c"]
    assert list(opened.rows) == ["a", "b", "c"]
    assert status == "going on from 1 rows"


@pytest.mark.parametrize(("keep", "expected"), [(False, ["a", "a"]), (True, ["a"])])
def test_rows_of_other_code(tmp_path, keep, expected):
    path, calls = tmp_path / "fftconv.json", []
    run(path, [job("a", calls)])
    opened, _ = run(path, [job("a", calls)], sources="other", keep=keep)
    assert calls == expected
    assert opened.rows["a"]["sources"] == ("digest" if keep else "other")


def test_disturbed_rows_again(tmp_path):
    record, calls = Record(tmp_path / "fftconv.json", ENVIRONMENT, "digest"), []
    for key, times in {"a": [1.0, 3.0], "b": [1.0, 1.1]}.items():
        record.add(key, {"small": {"samples": {"fft": times}}})
    jobs = [job("a", calls), job("b", calls)]
    fftconv.measure(jobs, record, False, log=lambda line: None)
    assert calls == []
    fftconv.measure(jobs, record, False, log=lambda line: None, unsteady=True)
    assert calls == ["a"]


def test_another_machine_starts_afresh(tmp_path):
    path, calls = tmp_path / "fftconv.json", []
    run(path, [job("a", calls), job("b", calls)])
    opened, status = run(path, [job("a", calls)], {**ENVIRONMENT, "threads": 8})
    assert calls == ["a", "b", "a"]
    assert list(opened.rows) == ["a"]
    assert "another threads" in status


def test_tables_alone_take_what_is_there(tmp_path):
    kept = Record(tmp_path / "fftconv.json", ENVIRONMENT, "digest")
    kept.add("one", {"value": 0.123456789})
    opened, status = open_record(kept.path, None, "other")
    assert opened.environment == ENVIRONMENT
    assert opened.rows["one"] == {"value": 0.12346, "sources": "digest"}
    assert status == "1 rows"


def test_groups(tmp_path):
    made = Record(tmp_path / "fftconv.json", ENVIRONMENT, "digest")
    made.add("layers/float32/training/one", {"value": 1})
    made.add("layers/float32/forward/one", {"value": 2})
    assert [row["value"] for row in made.group("layers/float32/training").values()] == [1]
    assert list(made.group("layers")) == ["float32/training/one", "float32/forward/one"]


def test_keys_are_unique():
    keys = [job.key for quick in (True, False) for part in fftconv.PARTS for job in part.jobs(quick)]
    full = [job.key for part in fftconv.PARTS for job in part.jobs(False)]
    assert len(full) == len(set(full))
    assert len(keys) > len(full)
