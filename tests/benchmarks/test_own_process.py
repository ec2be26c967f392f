"""Measuring in a process of its own."""

import numpy as np
import pytest
from benchmarks.own_process import STATUS, peak_resident_bytes, resident_bytes, run_module


def test_runs_a_module(tmp_path):
    source = tmp_path / "numbers.json"
    source.write_text('{"n": 2}')
    assert run_module("json.tool", "--compact", str(source)) == {"n": 2}


def test_a_process_that_fails(tmp_path):
    with pytest.raises(RuntimeError, match="No such file"):
        run_module("json.tool", str(tmp_path / "none.json"))


@pytest.mark.skipif(not STATUS.exists(), reason="Linux only")
def test_memory():
    before = resident_bytes()
    held = np.ones(8 << 20)  # 64 MiB
    assert resident_bytes() - before > 0.9 * held.nbytes
    assert peak_resident_bytes() >= resident_bytes() > 0.9 * held.nbytes
