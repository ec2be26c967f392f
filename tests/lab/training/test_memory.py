"""A process that keeps freed memory asks for none anew."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, torch
from windowconv.lab.training.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
for i in range(16):
    torch.ones(40 << 20, dtype=torch.uint8)
    if i == 11:  # the heap has grown as far as it must
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults as Linux does")
def test_large_tensors_come_from_memory_that_was_freed() -> None:
    assert faults("kept") < 100
    assert faults("given back") > 4 * 9000  # 40 MiB in pages of 4 KiB are 10,240
