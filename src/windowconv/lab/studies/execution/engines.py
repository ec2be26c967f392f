"""Running jobs on one machine: in this process, or in several that share its cores.

The worker processes are started here because no pool fits. `concurrent.futures.ProcessPoolExecutor` and loky's (3.7)
break as a whole when a worker is killed: every job that has not ended fails, and the other workers are killed too. A
pool for each worker would confine that, but when the parent is killed, idle workers outlive it (loky's for more than
eight seconds, the others for good), and neither has a way to let workers save and stop. The code for both would remain.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from windowconv.errors import InputError
from windowconv.lab.progress import show_progress
from windowconv.lab.studies.execution.jobs import Job, Outcome, try_job, with_threads
from windowconv.lab.training.signals import Stopped, listening
from windowconv.phases import phase

WORKER = "windowconv.lab.studies.execution.worker"


class Engine(Protocol):
    """Runs jobs.

    Attributes:
        shows_progress: whether it shows the progress of each job itself.
        here: whether the jobs run on this machine.
    """

    shows_progress: bool
    here: bool

    def run(self, jobs: Sequence[Job], place: Path) -> Iterator[Outcome]:
        """Run the jobs and yield their outcomes, in the order in which they end.

        Args:
            jobs: independent of one another.
            place: the study's folder, which gets their run folders.

        Raises:
            Stopped: on SIGTERM or Ctrl-C, once running jobs have saved a checkpoint.
        """
        ...


class ThisProcess:
    """Runs jobs one after another in this process, with all its threads."""

    shows_progress = True
    here = True

    def run(self, jobs: Sequence[Job], place: Path) -> Iterator[Outcome]:
        """See `Engine`."""
        with show_progress([job.macs for job in jobs]) as progress:
            for job in jobs:
                yield try_job(job, place, progress)


class Processes:
    """Runs jobs in several processes on this machine, each with its share of the cores.

    Args:
        count: number of processes, 1 to the number of cores.
        threads: of each process; its share of the cores if None.

    Raises:
        InputError: a count outside that range.
    """

    shows_progress = False
    here = True

    def __init__(self, count: int, threads: int | None = None) -> None:
        cores = usable_cores()
        if not 1 <= count <= cores:
            raise InputError(f"processes={count}; allowed: 1 to {cores}, the cores of this machine")
        self.count, self.threads = count, threads or max(1, cores // count)

    def run(self, jobs: Sequence[Job], place: Path) -> Iterator[Outcome]:
        """See `Engine`. SIGTERM and Ctrl-C let every process save and stop."""
        todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
        done: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        for job in jobs:
            todo.put(with_threads(job, self.threads))
        pool = [_Process(self.threads, place, todo, done) for _ in range(min(self.count, len(jobs)))]
        left = len(jobs)
        with listening() as request, phase(f"{left} runs in {len(pool)} processes"):
            try:
                while left:
                    with suppress(queue.Empty):
                        outcome = done.get(timeout=0.2)
                        left -= 1
                        yield outcome
                    if request:
                        raise Stopped(request.signal or signal.SIGTERM)
            finally:
                for process in pool:
                    process.stop()
                for process in pool:
                    process.join()


class _Process:
    """A worker process, replaced when it dies, and the thread that sends it jobs."""

    def __init__(
        self, threads: int, place: Path, todo: queue.SimpleQueue[Job], done: queue.SimpleQueue[Outcome]
    ) -> None:
        self._threads, self._place, self._todo, self._done = threads, place, todo, done
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._worker: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the worker to save a checkpoint and end."""
        self._stopped.set()
        with self._lock:
            if self._worker is not None:
                self._worker.terminate()

    def join(self) -> None:
        """Wait until the worker has ended."""
        self._thread.join()

    def _serve(self) -> None:
        try:
            while not self._stopped.is_set():
                try:
                    job = self._todo.get_nowait()
                except queue.Empty:
                    break
                outcome = self._send(job)
                if not self._stopped.is_set():
                    self._done.put(outcome)
        finally:
            _close(self._worker)

    def _send(self, job: Job) -> Outcome:
        """The outcome of a job; a worker's death is an outcome too."""
        worker = self._live_worker()
        if worker is None:
            return Outcome(job, "stopped")
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            worker.stdin.write(json.dumps(job.record()) + "\n")
            worker.stdin.flush()
            answer = worker.stdout.readline()
        except OSError:
            answer = ""
        if not answer.endswith("\n"):  # it may have been killed while it wrote
            return Outcome(job, f"its process died ({_exit_reason(worker.wait())})")
        return Outcome(job, **json.loads(answer))

    def _live_worker(self) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._stopped.is_set():
                return None
            if self._worker is None or self._worker.poll() is not None:
                _close(self._worker)
                self._worker = _start(self._threads, self._place)
            return self._worker


def _start(threads: int, place: Path) -> subprocess.Popen[str]:
    """A worker in a session of its own: Ctrl-C reaches it through this process alone.

    Its number of threads is in the environment, where torch reads it on import.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", WORKER, str(place)]
    return subprocess.Popen(command, env=environment, start_new_session=True, **pipes)


def _close(worker: subprocess.Popen[str] | None) -> None:
    """Close a worker's pipes, on which it ends, and wait until it has."""
    if worker is not None:
        with suppress(OSError), worker:
            pass


def _exit_reason(code: int) -> str:
    """Why a process ended, such as "killed by SIGKILL"."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def usable_cores() -> int:
    """The number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
