"""A Ray cluster of two local nodes, one of which is killed in the middle: nothing is lost."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from windowconv.lab.config import Training
from windowconv.lab.runs.folder import Run
from windowconv.lab.studies.design.design import Design
from windowconv.lab.studies.design.plan import Plan
from windowconv.lab.studies.execution.engines import ThisProcess
from windowconv.lab.studies.execution.jobs import Job, Outcome, read_images, with_threads
from windowconv.lab.studies.execution.options import StudyOptions
from windowconv.lab.studies.execution.ray_engine import OnRay, run_task
from windowconv.lab.studies.execution.run_store import Store
from windowconv.lab.studies.execution.runner import StudyRunner

pytest.importorskip("ray")

SCRIPT = '''
import sys, threading, time
from dataclasses import replace
from pathlib import Path

from ray.cluster_utils import Cluster

from windowconv.lab import recipes
from windowconv.lab.config import Execution, Training
from windowconv.lab.recipes import Recipe
from windowconv.lab.studies.execution.options import StudyOptions
from windowconv.lab.studies.execution.runner import run_study
from windowconv.lab.studies.design.design import Contrast, Design, Variant
from windowconv.lab.studies.design.plan import Plan
from windowconv.lab.studies.execution.ray_engine import OnRay

folder, store = Path(sys.argv[1]), (sys.argv[2] if len(sys.argv) > 2 else None)
training = Training(image_size=12, train_images=2000, test_images=100, depth=2, width=4, epochs=12, batch_size=16)
recipes.RECIPES["tiny-small"] = Recipe("tiny-small", "for tests", "gratings", training)
design = Design("t", "A claim.", "tiny", (Variant("3x3"), Variant("5x5")), Contrast(("5x5",), ("3x3",)))

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
second = cluster.add_node(num_cpus=1)
engine = OnRay(cluster.address, 1, 0, store)


def kill():
    """The second node, once two runs have been going on for a while: one of them is there."""
    def going():
        return [path for path in folder.glob("*/checkpoints/step-*")]
    while len({path.parent for path in going()}) < 2 and store is None:
        time.sleep(0.1)
    time.sleep(3 if store else 0)
    cluster.remove_node(second, allow_graceful=False)
    print("killed", flush=True)


threading.Thread(target=kill, daemon=True).start()
options = StudyOptions(engine, "gratings", execution=Execution(checkpoint_minutes=0.01))
done = run_study(Plan.of(design, "small", 2), folder, options)
print("finished", done.finished, done.record["status"], done.record["failures"], flush=True)
import ray
ray.shutdown()
cluster.shutdown()
'''


@pytest.mark.slow
@pytest.mark.timeout(1200)  # on a machine that has other work
@pytest.mark.parametrize("shared", [True, False], ids=["shared folder", "store"])
def test_a_node_is_killed_and_nothing_is_lost(shared: bool, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    more = [] if shared else [f"file://{tmp_path}/store"]
    command = [sys.executable, "-c", SCRIPT, str(folder), *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1100)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "killed" in done.stdout
    assert "finished 4 finished {}" in done.stdout
    record = json.loads((folder / "study.json").read_text())
    assert (record["status"], record["failures"]) == ("finished", {})
    runs = [Run.open(folder / f"{arm}-seed{seed}") for arm in ("3x3", "5x5") for seed in (0, 1)]
    for run in runs:
        assert run.record["status"] == "finished"
        assert [line["epoch"] for line in run.metrics("epoch")] == list(range(1, 13))
        assert (run.folder / "evaluations/leakage.json").is_file()
    if shared:  # the run that was on the lost machine went on from its checkpoint
        assert any(run.record["resumed"] for run in runs)
    else:
        kept = {path.parent.name for path in (tmp_path / "store").glob("*/run.json")}
        assert kept == {run.folder.name for run in runs}


def test_a_task_does_a_job_there_and_its_run_comes_back(
    design: Design, tiny_settings: Training, options: StudyOptions, tmp_path: Path
) -> None:
    seen: list[Job] = []

    class Collecting(ThisProcess):
        def run(self, jobs: Sequence[Job], place: Path) -> Iterator[Outcome]:
            seen.extend(jobs)
            return iter(())

    data = read_images("gratings", None, tiny_settings)
    plan = Plan.of(design, "small", 1)
    StudyRunner(plan, tmp_path / "c", replace(options, engine=Collecting()), data).finish(plan.runs(), ("leakage",))
    record = json.loads(json.dumps(with_threads(seen[0], 1).record()))
    done = {"error": None, "disk_full": False, "diverged": False}
    assert run_task(record, str(tmp_path / "shared"), None) == done
    store = Store(str(tmp_path / "store"))
    assert not OnRay._fetch(seen[0], tmp_path / "back", store)
    assert run_task(record, str(tmp_path / "nowhere"), str(tmp_path / "store")) == done
    assert OnRay._fetch(seen[0], tmp_path / "back", store)
    runs = [Run.open(tmp_path / place / seen[0].folders[0]) for place in ("shared", "back")]
    assert runs[0].final()["test_accuracy"] == runs[1].final()["test_accuracy"]
    assert all((run.folder / "evaluations/leakage.json").is_file() for run in runs)
    assert not (tmp_path / "nowhere").exists()
    wrong = {**record, "data": {**record["data"], "train_hash": "0"}}
    assert "not those that the study began with" in str(run_task(wrong, str(tmp_path / "other"), None)["error"])
