"""A worker process: it reads jobs from standard input and writes outcomes to standard output, as lines of JSON.

It saves a checkpoint and ends when the process that started it ends, even by SIGKILL.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from windowconv.lab.progress import Progress
from windowconv.lab.studies.execution.jobs import Job, try_job


class Tethered(Progress):
    """Shows nothing, and stops the training when the parent process is gone."""

    def __init__(self) -> None:
        super().__init__()
        self._parent = os.getppid()

    def advance(self, images: int, loss: float) -> None:
        super().advance(images, loss)
        if os.getppid() != self._parent:
            os.kill(os.getpid(), signal.SIGTERM)  # which the training loop obeys once it has saved


def main() -> int:
    """Run jobs until standard input ends; returns the exit code."""
    place, progress = Path(sys.argv[1]), Tethered()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is printed goes to the user, not into the answers
    for line in sys.stdin:
        job = Job.from_record(json.loads(line))
        if job.execution.threads is not None:
            import torch

            torch.set_num_threads(job.execution.threads)
        try:
            outcome = try_job(job, place, progress)
        except KeyboardInterrupt as stop:
            return getattr(stop, "code", 130)
        answers.write(json.dumps(outcome.answer()) + "\n")
        answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
