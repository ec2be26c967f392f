"""What is measured of a run is what the library measures, once, and kept in the run's folder."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from windowconv.errors import InputError
from windowconv.lab.config import Execution
from windowconv.lab.data import ImageData, gratings
from windowconv.lab.data.sets import Images
from windowconv.lab.evaluations import Evaluation, Measurement, Network
from windowconv.lab.evaluations.records import read_tensors
from windowconv.lab.evaluations.registry import find_evaluation, metric_value
from windowconv.lab.runs.folder import Run
from windowconv.spectra.curve import RADII
from windowconv.spectra.network import leakage
from windowconv.spectra.shift import shift_consistency

MakeRun = Callable[..., Run]


class Counted(Evaluation):
    """How often it was measured."""

    name = "counted"

    def __init__(self, **settings: Any) -> None:
        self.settings, self.times = settings, 0

    def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
        self.times += 1
        return Measurement({"times": self.times}, {"labels": images.labels})


def measure(run: Run, name: str, data: ImageData) -> None:
    find_evaluation(name).run([Network(run)], data.test)


def test_leakage_is_the_mean_over_kernels_then_layers(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run("5x5-hamming")
    measure(run, "leakage", tiny)
    figures = run.evaluation("leakage")["figures"]
    expected = [layer.pair_curve for layer in leakage(run.model()).layers]
    assert figures["curve"] == pytest.approx(np.mean(expected, axis=0))
    assert figures["1/4"] == figures["curve"][RADII.index(1 / 4)]
    assert figures["1/8"] == figures["curve"][RADII.index(1 / 8)]
    assert list(figures["layers"]) == ["0", "3"]
    assert metric_value(run, "leakage") == 100 * figures["1/4"]
    assert run.evaluation("leakage")["content_hash"] == tiny.test.content_hash


def test_shifts_are_of_the_test_images(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run()
    measure(run, "shift", tiny)
    figures = run.evaluation("shift")["figures"]
    images = torch.as_tensor(tiny.test.images).float() / 255  # pyright: ignore[reportAttributeAccessIssue]
    assert figures["share"] == shift_consistency(run.model(), images).share
    assert figures["images"] == 43


def test_accuracy_is_what_training_wrote(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run()
    accuracy = find_evaluation("test")
    path = accuracy.path(run)
    before, tensors = run.evaluation()["figures"], read_tensors(path)
    assert accuracy.is_current(Network(run), tiny.test)
    path.unlink()
    measure(run, "test", tiny)
    assert run.evaluation()["figures"] == before
    assert all(torch.equal(held, tensors[name]) for name, held in read_tensors(path).items())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the toolbox's own
def test_attacks_are_the_worst_of_two(make_run: MakeRun, tiny: ImageData) -> None:
    pytest.importorskip("art")
    run = make_run(epochs=6)
    measure(run, "attacks", tiny)
    figures = run.evaluation("attacks")["figures"]
    assert figures["attacks"] == ["fgsm", "pgd-20"]
    assert (figures["budget"], figures["images"]) == (1 / 255, 43)
    assert figures["clean"] == run.final()["test_accuracy"]
    assert figures["curve"] == sorted(figures["curve"], reverse=True)
    assert figures["accuracy"] == figures["curve"][figures["budgets"].index(1 / 255)] <= figures["clean"]


def test_a_record_says_what_it_is_of(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run()
    network = Network(run)
    Counted(grid=(1, 2)).run([network], tiny.test)
    record = json.loads((run.folder / "evaluations/counted.json").read_text())
    assert record["schema_version"] == 1
    assert (record["name"], record["source"]) == ("counted", "gratings")
    assert record["content_hash"] == tiny.test.content_hash == run.record["data"]["test_hash"]
    assert record["weights"] == network.weights_hash
    assert record["settings"] == {"grid": [1, 2]}
    assert record["environment"]["torch"] == torch.__version__
    assert record["figures"] == {"times": 1}
    assert torch.equal(read_tensors(Counted().path(run))["labels"], tiny.test.labels)


def test_what_is_current_stays_and_what_is_out_of_date_does_not(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run()
    evaluation = Counted(grid=(1, 2))
    for times in (1, 1):
        evaluation.run([Network(run)], tiny.test)
        assert evaluation.times == times
    evaluation.settings = {"grid": (1, 3)}
    evaluation.run([Network(run)], tiny.test)
    assert evaluation.times == 2
    other = make_run("5x5", 1)
    run.weights.write_bytes(other.weights.read_bytes())
    evaluation.run([Network(run)], tiny.test)
    assert evaluation.times == 3


def test_records_of_earlier_versions_count(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run()
    evaluation = Counted(grid=1)
    old = {"schema_version": 1, "name": "counted", "source": "gratings", "figures": {"times": 7}}
    path = run.folder / "evaluations/counted.json"
    path.write_text(json.dumps({**old, "content_hash": tiny.test.content_hash}))
    evaluation.run([Network(run)], tiny.test)
    assert evaluation.values(run) == {"times": 7}
    run.weights.unlink()  # as in an export
    assert evaluation.is_current(Network(run), tiny.test)
    path.write_text(json.dumps({**old, "content_hash": "of other images"}))
    assert not evaluation.is_current(Network(run), tiny.test)


def test_a_network_is_loaded_once_however_much_is_measured(
    make_run: MakeRun, tiny: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, loaded, model = Network(make_run()), [], Run.model
    monkeypatch.setattr(Run, "model", lambda self: loaded.append(self.folder.name) or model(self))
    for name in ("leakage", "shift", "shifts", "heat-map"):
        find_evaluation(name).run([network], tiny.test)
    assert loaded == ["3x3-seed0"]
    for name in ("leakage", "shift", "shifts", "heat-map"):
        find_evaluation(name).run([Network(network.run)], tiny.test)
    assert loaded == ["3x3-seed0"]  # all is measured: no network is needed


def test_leakage_needs_no_images(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run()
    find_evaluation("leakage").run([Network(run)], None)
    assert run.evaluation("leakage")["content_hash"] == tiny.test.content_hash
    for name in ("shift", "conditions"):
        with pytest.raises(InputError, match=f"images=None; allowed: .* which '{name}' is measured on"):
            find_evaluation(name).run([Network(run)], None)


def test_progress_counts_runs(make_run: MakeRun, tiny: ImageData) -> None:
    done: list[tuple[int, int]] = []
    networks = [Network(make_run(seed=seed)) for seed in (0, 1)]
    Counted().run(networks, tiny.test, progress=lambda *each: done.append(each))
    assert done == [(1, 2), (2, 2)]


def test_what_does_not_fit_is_named(make_run: MakeRun, tiny: ImageData) -> None:
    run = make_run()
    with pytest.raises(InputError, match="3x3-seed0: the test images here differ from those of the run"):
        Counted().run([Network(run)], gratings(16, 43, seed=3, image_size=12).test)
    with pytest.raises(InputError, match="but the run was trained on"):
        Counted().run([Network(run)], gratings(16, 43, image_size=16).test)

    class Refused(Counted):
        def measure(self, network: Network, images: Images, execution: Execution) -> Measurement:
            raise InputError("grid=0; allowed: 1 or more")

    with pytest.raises(InputError, match=r"^3x3-seed0: grid=0; allowed: 1 or more"):
        Refused().run([Network(run)], tiny.test)
    assert not (run.folder / "evaluations/counted.json").exists()
    with pytest.raises(InputError, match=r"evaluation='leakag'; allowed: .*; did you mean 'leakage'"):
        find_evaluation("leakag")
