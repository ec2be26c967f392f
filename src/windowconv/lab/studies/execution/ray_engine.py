"""Jobs as tasks of a Ray cluster: each with its cores or GPU, and tried again on another machine if its own is lost."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from windowconv.errors import InputError, require
from windowconv.lab.studies.execution.jobs import Job, Outcome, with_threads
from windowconv.lab.studies.execution.run_store import Store
from windowconv.lab.training.signals import Stopped, listening
from windowconv.phases import phase

LOST = 3
"""How often a task is started anew where its machine or process is lost; a run that fails by itself is no such case."""
ANSWER_S = 5.0
"""In which an address has to answer."""


class OnRay:
    """A Ray cluster.

    Args:
        address: host:port of its head, ray://host:port from outside, or "auto" on one of its machines.
        threads: cores of a task.
        gpus: GPUs of a task.
        store: where tasks put their run folders and take them from (see `Store`); if None, the study's folder itself,
            which all machines must then see at the same path, and in which a task goes on from the checkpoints of a
            lost one.

    Raises:
        InputError: Ray is not installed, or nothing answers at the address.
    """

    shows_progress = False
    here = False

    def __init__(self, address: str, threads: int = 1, gpus: float = 0, store: str | None = None) -> None:
        self._ray: Any = require("ray", "cluster")
        self._store = store
        if store:
            Store(store)  # refuses what cannot be used
        self.threads, self.gpus = threads, gpus
        _check_answer(address)
        quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
        try:
            self._ray.init(address=address, ignore_reinit_error=True, **quiet)
        except (ConnectionError, TimeoutError, RuntimeError, ValueError) as error:
            reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
            raise InputError(f"address={address!r}: no Ray cluster answers there ({reason})") from None

    def run(self, jobs: Sequence[Job], place: Path) -> Iterator[Outcome]:
        """See `Engine`."""
        resources = {"num_cpus": self.threads, "num_gpus": self.gpus, "max_retries": LOST}
        task = self._ray.remote(**resources)(run_task)
        root = str(place.resolve())
        store = Store(self._store) if self._store else None
        pending = {}
        for job in jobs:
            if store and self._fetch(job, place, store):
                yield Outcome(job)
            else:
                pending[task.remote(with_threads(job, self.threads).record(), root, self._store)] = job
        with listening() as request, phase(f"{len(pending)} runs on the cluster"):
            while pending:
                done, _ = self._ray.wait(list(pending), num_returns=1, timeout=0.5)
                for reference in done:
                    yield self._outcome(reference, pending.pop(reference), place, store)
                if request:
                    for reference in pending:
                        self._ray.cancel(reference)
                    self._ray.wait(list(pending), num_returns=len(pending), timeout=60)  # while they save
                    raise Stopped(request.signal or signal.SIGTERM)

    def _outcome(self, reference: Any, job: Job, place: Path, store: Store | None) -> Outcome:
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return Outcome(job, f"its task was lost ({type(error).__name__})")
        if answer["error"] is None and store and not self._fetch(job, place, store):
            return Outcome(job, "its run folder did not come back from the store")
        return Outcome(job, **answer)

    @staticmethod
    def _fetch(job: Job, place: Path, store: Store) -> bool:
        """Take a job's run folders from the store, if all are there."""
        if not all(store.has(folder) for folder in job.folders):
            return False
        for folder in job.folders:
            store.get(folder, place / folder)
        return True


def run_task(record: dict[str, Any], place: str, store: str | None) -> dict[str, Any]:
    """A job on one of the cluster's machines."""
    import torch

    from windowconv.lab.progress import Progress
    from windowconv.lab.studies.execution.jobs import try_job

    job = Job.from_record(record)
    os.environ["OMP_NUM_THREADS"] = str(job.execution.threads or 1)
    torch.set_num_threads(job.execution.threads or 1)
    if store is None:
        outcome = try_job(job, Path(place), Progress())
        return outcome.answer()
    with tempfile.TemporaryDirectory(prefix="windowconv-") as scratch:
        kept = Store(store)
        for start in {*job.starts}:
            kept.get(start, Path(scratch) / start)
        outcome = try_job(job, Path(scratch), Progress())
        if outcome.error is None:
            for folder in job.folders:
                kept.put(Path(scratch) / folder, folder)
        return outcome.answer()


def _check_answer(address: str) -> None:
    """Ray itself waits for minutes."""
    if address in ("auto", "local"):
        return
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port:
        raise InputError(f"address={address!r}; allowed: host:port, ray://host:port, or auto")
    try:
        socket.create_connection((host, port), timeout=ANSWER_S).close()
    except OSError as error:
        reason = error.strerror or "no answer"
        raise InputError(f"address={address!r}: no Ray cluster answers there ({reason})") from None
