"""Measuring in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.own_process import STATUS, run_module

CHECKOUT = Path(__file__).parents[2]


def test_runs_a_module(tmp_path):
    source = tmp_path / "numbers.json"
    source.write_text('{"n": 2}')
    assert run_module("json.tool", "--compact", str(source)) == {"n": 2}


def test_a_process_that_fails(tmp_path):
    with pytest.raises(RuntimeError, match="No such file"):
        run_module("json.tool", str(tmp_path / "none.json"))


PROBE = """
import json
import numpy as np
from benchmarks.own_process import peak_resident_bytes, resident_bytes
before = resident_bytes()
held = np.ones(8 << 20)  # 64 MiB
print(json.dumps([before, resident_bytes(), peak_resident_bytes(), held.nbytes]))
"""


@pytest.mark.skipif(not STATUS.exists(), reason="Linux only")
def test_memory():
    """In a fresh process: this one's memory also shrinks and grows by what other tests left."""
    code = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    before, now, peak, held = json.loads(code.stdout)
    assert now - before > 0.9 * held
    assert peak >= 0.99 * now > 0.9 * held
