"""Accuracy counts each image once, in the set's own order, and leaves the model as it was."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.lab.data import ImageData, ImageSet, gratings
from windowconv.lab.runs.folder import Run
from windowconv.lab.runs.writer import describe_data
from windowconv.lab.training.evaluate import BATCH, check_fits, evaluate, save_evaluation


class Says(nn.Module):
    """Answers with the class that an image's first pixel names, and notes how it was called."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes, self.seen, self.modes = classes, 0, set[tuple[bool, bool]]()

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        self.modes.add((self.training, torch.is_grad_enabled()))
        said = (images[:, 0, 0, 0] * 255).round().long() % self.classes
        return 10.0 * nn.functional.one_hot(said, self.classes)


def numbered(n: int, wrong: set[int]) -> ImageSet:
    """Images whose first pixel is their label, but for those in `wrong`."""
    generator = torch.Generator().manual_seed(n)
    labels = torch.randint(0, 5, (n,), generator=generator)
    images = torch.zeros(n, 1, 4, 4, dtype=torch.uint8)
    said = labels + torch.tensor([i in wrong for i in range(n)]).long()
    images[:, 0, 0, 0] = (said % 5).to(torch.uint8)
    return ImageSet(images, labels, tuple("abcde"))


@pytest.mark.parametrize("n", [1, 7, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 3])
def test_counts_are_exact_whatever_the_number(n: int) -> None:
    wrong = {0, n // 2, n - 1}
    model, images = Says(5), numbered(n, wrong)
    result = evaluate(model, images)
    assert model.seen == result.n == n
    assert result.metrics()["correct"] == n - len(wrong)
    assert result.accuracy == (n - len(wrong)) / n
    assert torch.nonzero(~result.correct).flatten().tolist() == sorted(wrong)  # in the set's own order
    assert torch.equal(result.predictions, images.images[:, 0, 0, 0].long())
    right, all_ = result.losses[result.correct], result.losses.double()
    assert (right < 0.01).all()
    assert result.loss == pytest.approx(all_.mean().item())


@pytest.mark.parametrize("training", [True, False])
def test_the_models_mode_is_put_back(training: bool) -> None:
    model = Says(5).train(training)
    evaluate(model, numbered(9, set()))
    assert model.modes == {(False, False)}
    assert model.training is training


def test_the_mode_is_put_back_after_an_error() -> None:
    model = Says(3)  # fewer outputs than classes
    with pytest.raises(IndexError):
        evaluate(model, numbered(40, set()))
    assert model.training


def test_what_is_saved_is_what_was_measured(tmp_path: Path) -> None:
    images = numbered(11, {3, 4})
    result = evaluate(Says(5), images)
    save_evaluation(tmp_path, "test", result, images, "numbers")
    record = json.loads((tmp_path / "evaluations/test.json").read_text())
    assert record == {
        "schema_version": 1, "name": "test", "source": "numbers", "content_hash": images.content_hash,
        "figures": {"n": 11, "accuracy": 9 / 11, "correct": 9, "loss": result.loss},
    }  # fmt: skip
    each = load_file(tmp_path / "evaluations/test.safetensors")
    assert torch.equal(each["predictions"], result.predictions)
    assert torch.equal(each["correct"], result.correct)
    assert torch.equal(each["losses"], result.losses)


def test_a_trained_run_saves_its_last_networks_answers(make_run: Callable[..., Run], tiny: ImageData) -> None:
    run = make_run("5x5-hamming")
    result = evaluate(run.model(), tiny.test)
    assert run.evaluation()["figures"] == result.metrics()
    assert run.evaluation()["content_hash"] == tiny.test.content_hash
    each = load_file(run.folder / "evaluations/test.safetensors")
    assert torch.equal(each["predictions"], result.predictions)


def test_other_images_are_refused(tiny: ImageData) -> None:
    known = describe_data(tiny)
    check_fits(known, tiny.test)
    with pytest.raises(InputError, match=r"\(1, 16, 16\) of 16 classes, but the run was trained on \(1, 12, 12\)"):
        check_fits(known, gratings(16, 16, image_size=16).test)
    with pytest.raises(InputError, match="of 5 classes"):
        check_fits(known, numbered(5, set()))
    renamed = replace(tiny.test, classes=("zebra", *tiny.classes[1:]))
    with pytest.raises(InputError, match=r"a class 'zebra' where the run's is 'f0\.07_0deg'"):
        check_fits(known, renamed)
