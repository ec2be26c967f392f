"""What the airbench recipes train with: rates by group, a decoupled decay, summed losses, lookahead, the stem."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.functional import resize

from windowconv.errors import InputError
from windowconv.lab.config import Execution, RunConfig, Training
from windowconv.lab.data import DeviceLoader, ImageData, ImageSet
from windowconv.lab.evaluations import Network
from windowconv.lab.evaluations.registry import find_evaluation, metric_value
from windowconv.lab.models.airbench import Whitening
from windowconv.lab.models.build import build
from windowconv.lab.models.replicas import Alone
from windowconv.lab.progress import Progress
from windowconv.lab.recipes import find_recipe
from windowconv.lab.training.augmented_network import AugmentedNetwork
from windowconv.lab.training.distributed import Ranks
from windowconv.lab.training.evaluate import evaluate_run
from windowconv.lab.training.optimizer import lookahead_multi_avg_fn, make_optimizer
from windowconv.lab.training.schedule import learning_rate
from windowconv.lab.training.step import Stepper
from windowconv.lab.training.train import train, train_together

STRONG = find_recipe("cifar10-strong-wide").training


@pytest.fixture
def config(settings: Training) -> RunConfig:
    own = {key: getattr(settings, key) for key in ("image_size", "train_images", "test_images", "width", "batch_size")}
    return RunConfig(**{**asdict(STRONG), **own, "epochs": 4, "data": "gratings", "algorithm": "direct"})


def test_groups_have_their_rates_and_a_decay_that_does_not_depend_on_them() -> None:
    network = build("airbench", {"arm": "3x3", "classes": 4, "channels": 1, "widths": [2, 3, 3]})
    optimizer = make_optimizer(Alone(network), replace(STRONG, lr=0.01, weight_decay=0.02))
    names = {id(p): name for name, p in network.named_parameters()}
    found = {tuple(sorted(names[id(p)] for p in g["params"])): g for g in optimizer.param_groups}
    norms = [name for name, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)]
    biases = tuple(sorted(f"{name}.bias" for name in norms))
    assert found[biases]["lr_factor"] == 64
    assert found[biases]["weight_decay"] * 64 * 0.01 == pytest.approx(0.02)
    (others,) = found.keys() - {biases}
    assert found[others]["lr_factor"] == 1
    assert found[others]["weight_decay"] * 0.01 == pytest.approx(0.02)
    assert "0.bias" in others


def test_layers_say_which_of_their_parameters_do_not_decay_and_which_learn_faster() -> None:
    for arm, own, factor in (("5x5-dcls", "positions", 5), ("5x5-flex", "sigma", 1)):
        network = build("airbench", {"arm": arm, "classes": 4, "channels": 1, "widths": [2, 3, 3]})
        names = {id(p): name for name, p in network.named_parameters()}
        for decay in ("all", "weights"):
            optimizer = make_optimizer(Alone(network), replace(STRONG, weight_decay=0.02, decay=decay))
            groups = {names[id(p)]: g for g in optimizer.param_groups for p in g["params"]}
            chosen = {name: group for name, group in groups.items() if name.endswith(own)}
            assert len(chosen) == 6
            assert {(group["weight_decay"], group["lr_factor"]) for group in chosen.values()} == {(0.0, factor)}
            assert groups["2.weight"]["weight_decay"] > 0


def by_hand(config: RunConfig, network: nn.Module, data: ImageData, steps: int) -> dict[str, torch.Tensor]:
    """The published training, written out: SGD with Nesterov's momentum on summed losses, and lookahead."""
    assert isinstance(data.train, ImageSet)
    weights = {n: p for n, p in network.named_parameters() if p.requires_grad}
    momenta: dict[str, torch.Tensor] = {}
    slow = {k: v.clone() for k, v in network.state_dict().items()}
    norms = {n for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    loader = DeviceLoader(data.train, config.batch_size, seed=config.seed, augment="flip-shift")
    step, stem = 0, config.stem_epochs * len(loader)
    for epoch in range(config.epochs):
        for batch in loader.epoch(epoch):
            if step == steps:
                return slow
            loss = F.cross_entropy(network(batch.images), batch.labels, reduction="sum", label_smoothing=0.2)
            gradients = torch.autograd.grad(loss, list(weights.values()))
            rate = learning_rate(config, step, config.epochs * len(loader))
            with torch.no_grad():
                for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
                    if name == "0.bias" and step >= stem:
                        continue
                    factor = 64 if name.removesuffix(".bias") in norms else 1
                    gradient = gradient + config.weight_decay / (config.lr * factor) * weight
                    momenta[name] = 0.85 * momenta[name] + gradient if name in momenta else gradient
                    weight -= rate * factor * (gradient + 0.85 * momenta[name])
                step += 1
                if step % 5 == 0:
                    decay = 0.95**5 * (step / (config.epochs * len(loader))) ** 3 if step > 5 else 0
                    for key, value in network.state_dict().items():
                        if value.is_floating_point():
                            slow[key] = decay * slow[key] + (1 - decay) * value
                            value.copy_(slow[key])
    return slow


def test_the_training_is_the_published_one_written_out(config: RunConfig, tiny: ImageData, tmp_path: Path) -> None:
    """Twenty steps, of which the stem's bias is trained for fifteen; in float32, by other arithmetic."""
    config = replace(config, stem_epochs=3, width=2, lr=5e-4)
    trained = train(config, tiny, tmp_path / "run", Progress()).model().state_dict()
    torch.manual_seed(config.seed)
    network = build(
        "airbench", {"arm": "3x3", "classes": len(tiny.classes), "channels": tiny.channels, "widths": [2, 8, 8]}
    )
    stem = network.get_submodule("0")
    assert isinstance(stem, Whitening)
    assert isinstance(tiny.train, ImageSet)
    stem.fit(tiny.train.images.float() / 255)
    for key, value in by_hand(config, network, tiny, 20).items():
        if value.is_floating_point():
            torch.testing.assert_close(trained[key], value, rtol=2e-3, atol=2e-4, msg=lambda m, k=key: f"{k}: {m}")


def test_the_average_grows_as_the_cube_of_the_steps() -> None:
    update = lookahead_multi_avg_fn(0.9, 4, 100)
    for updates, step in ((0, 4), (11, 48), (24, 100), (30, 100)):
        average, weights = [torch.tensor([1.0]), torch.tensor([3.0])], [torch.tensor([0.0]), torch.tensor([1.0])]
        update(average, weights, torch.tensor(updates))
        share = 0.9**4 * (step / 100) ** 3
        torch.testing.assert_close(torch.cat(average), torch.tensor([share, 3 * share + 1 - share]))


def test_the_stems_bias_is_fixed_after_its_epochs(config: RunConfig, tiny: ImageData, tmp_path: Path) -> None:
    def stem(epochs: int, stem_epochs: int) -> torch.Tensor:
        own = replace(config, epochs=epochs, stem_epochs=stem_epochs, schedule="steps", milestones=(), lookahead=0.0)
        run = train(own, tiny, tmp_path / f"{epochs}-{stem_epochs}", Progress())
        return run.model().state_dict()["0.bias"]

    assert torch.equal(stem(2, 1), stem(1, 1))
    assert not torch.equal(stem(2, 2), stem(1, 2))


def test_a_summed_loss_is_recorded_as_the_mean(config: RunConfig, tiny: ImageData) -> None:
    assert isinstance(tiny.train, ImageSet)
    batch = next(DeviceLoader(tiny.train, 16).epoch(0))
    gradients, losses = [], []
    for loss in ("mean", "sum"):
        torch.manual_seed(0)
        network = build("small", {"arm": "3x3", "classes": 16, "channels": tiny.channels, "depth": 2, "width": 2})
        own: Any = replace(config, loss=loss, network="small", weight_decay=0.0, accumulate=2)
        stepper = Stepper([own], [network], 10, Ranks(Execution()))
        losses.append(stepper.update([batch], 0)[0])
        gradients.append({name: p.grad for name, p in network.named_parameters()})
    assert torch.equal(*losses)
    for mean, total in zip(gradients[0].values(), gradients[1].values(), strict=True):
        torch.testing.assert_close(16 * mean, total, rtol=1e-4, atol=1e-5)


def test_seeds_at_once_are_separate_runs(config: RunConfig, tiny: ImageData, tmp_path: Path) -> None:
    configs = [replace(config, seed=seed, lr=2e-4) for seed in range(2)]
    together = train_together(configs, tiny, [tmp_path / f"both{seed}" for seed in range(2)], Progress())
    for own, run in zip(configs, together, strict=True):
        alone = train(own, tiny, tmp_path / f"alone{own.seed}", Progress())
        for key, value in alone.model().state_dict().items():
            torch.testing.assert_close(run.model().state_dict()[key], value, rtol=1e-2, atol=1e-3)


def test_augmented_outputs_are_a_weighted_mean() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 6 * 6, 5)).eval()
    images = torch.rand(4, 1, 8, 8)

    def shifted(by: int) -> torch.Tensor:
        """Image content moved by `by` pixels down and right, its edge reflected."""
        rows = (torch.arange(8) - by).abs()
        rows = torch.where(rows > 7, 14 - rows, rows)
        return images[:, :, rows][:, :, :, rows]

    expected = sum(
        weight / 2 * (network(shifted(by)) + network(shifted(by).flip(3)))
        for by, weight in ((0, 0.5), (1, 0.25), (-1, 0.25))
    )
    torch.testing.assert_close(AugmentedNetwork(network)(images), expected)


def test_a_run_records_the_augmented_accuracy_as_the_evaluation_does(
    config: RunConfig, tiny: ImageData, tmp_path: Path
) -> None:
    run = train(config, tiny, tmp_path / "run", Progress())
    value = run.final()["test_accuracy_tta"]
    assert metric_value(run, "accuracy-tta") == pytest.approx(100 * value)
    record = run.evaluation("test-augment")
    find_evaluation("test-augment").run([Network(run)], tiny.test)
    assert run.evaluation("test-augment") == record  # is current
    (run.folder / "evaluations/test-augment.json").unlink()
    find_evaluation("test-augment").run([Network(run)], tiny.test)
    assert run.evaluation("test-augment")["figures"]["correct"] == record["figures"]["correct"]
    plain = train(replace(config, test_augment=False), tiny, tmp_path / "plain", Progress())
    assert metric_value(plain, "accuracy-tta") is None
    assert plain.final()["test_accuracy"] == run.final()["test_accuracy"]


def test_a_run_folder_needs_no_training_images(config: RunConfig, tiny: ImageData, tmp_path: Path) -> None:
    run = train(replace(config, train_images=None), tiny, tmp_path / "run", Progress())
    stem = run.model().get_submodule("0")
    assert isinstance(stem, Whitening)
    expected = Whitening(tiny.channels)
    assert isinstance(tiny.train, ImageSet)
    expected.fit(tiny.train.images.float() / 255)
    torch.testing.assert_close(stem.weight, expected.weight)
    other = ImageData("gratings", tiny.test.take(1), tiny.test)
    before = run.evaluation()["figures"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("windowconv.lab.training.evaluate.read_data", lambda *_: other)
        evaluate_run(run)
    assert run.evaluation()["figures"]["correct"] == before["correct"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lookahead": 0.9, "ema": 0.9}, "lookahead=0.9; allowed: 0 with ema=0.9"),
        ({"decoupled_decay": True, "lr": 0.0}, "decoupled-decay=True needs learning rates above 0"),
        (
            {"normalize": "imagenet", "network": "airbench"},
            "normalize='imagenet'; allowed: none with network='airbench'",
        ),
        ({"schedule": "triangular", "warmup_epochs": 1}, "warmup-epochs=1; allowed: 0 with schedule='triangular'"),
        ({"patience": 2, "val_fraction": 0.1, "evaluate_every": 2}, "evaluate-every=2; allowed: 1 with patience=2"),
        ({"start_size": 9, "adversarial": "pgd"}, "start-size=9; allowed: none with adversarial='pgd'"),
        ({"augment": "flip-shift", "stream": True, "image_size": 32}, "augment='flip-shift' is for images in memory"),
    ],
)
def test_settings_that_cannot_be_together(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Training(**changes)
    assert str(caught.value).startswith(message)


def test_the_first_epochs_have_smaller_images(
    config: RunConfig, tiny: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step of training sees the batch as torchvision's transform makes it smaller; evaluations see it whole."""
    seen: list[torch.Tensor] = []
    network_forward = Whitening.forward

    def forward(self: Whitening, images: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():
            seen.append(images)
        else:
            assert images.shape[-1] == 12
        return network_forward(self, images)

    monkeypatch.setattr(Whitening, "forward", forward)
    own = replace(config, start_size=10, start_share=0.3, test_augment=False)
    train(own, tiny, tmp_path / "run", Progress())
    assert [images.shape[-1] for images in seen] == [10] * 6 + [12] * 14
    assert isinstance(tiny.train, ImageSet)
    first = next(DeviceLoader(tiny.train, 16, augment="flip-shift").epoch(0)).images
    torch.testing.assert_close(seen[0], resize(first, [10, 10], antialias=True), rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="start-size=8; allowed with network='airbench': 9 or more"):
        train(replace(own, start_size=8), tiny, tmp_path / "small", Progress())


def test_evaluations_may_be_rarer(config: RunConfig, tiny: ImageData, tmp_path: Path) -> None:
    often = train(replace(config, evaluate_every=1), tiny, tmp_path / "often", Progress())
    rare = train(replace(config, evaluate_every=3), tiny, tmp_path / "rare", Progress())
    lines = rare.metrics("epoch")
    assert ["test_accuracy" in line for line in lines] == [False, False, True, True]
    for line, other in zip(lines, often.metrics("epoch"), strict=True):
        assert {k: v for k, v in line.items() if k != "time_s"}.items() <= other.items()
    assert rare.final()["test_loss"] == often.final()["test_loss"]


def test_small_images_are_refused(config: RunConfig, tmp_path: Path) -> None:
    images = torch.zeros(4, 1, 8, 12, dtype=torch.uint8)
    data = ImageSet(images, torch.arange(4) % 2, ("a", "b"))
    with pytest.raises(InputError, match=r"the images are 12x8; allowed: 9x9 or more"):
        train(config, ImageData("x", data, data), tmp_path / "run", Progress())
