"""Fine-tuning: a pretrained network is converted to an arm, computing the same, and then trained as any run."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from windowconv.errors import InputError
from windowconv.lab.config import Execution, RunConfig, Training
from windowconv.lab.data import NAMES
from windowconv.lab.data.sets import Images
from windowconv.lab.data.sources import IMAGENET, data_name
from windowconv.lab.models.arm_layers import grow_to_arm
from windowconv.lab.models.arms import Arm, parse_arm
from windowconv.lab.models.build import PreprocessedNetwork, build
from windowconv.lab.models.matching import BASELINE, NetworkSpec, network_spec
from windowconv.lab.progress import show_progress
from windowconv.lab.runs.folder import Run
from windowconv.lab.training.distributed import configure, is_first_process
from windowconv.lab.training.evaluate import evaluate
from windowconv.lab.training.loading import example_images, limit_images, read_data
from windowconv.lab.training.original import Original, find_head, load_original, read_weights
from windowconv.lab.training.single_run import trained_before
from windowconv.lab.training.train import train
from windowconv.phases import phase

CHECKED = 16  # images
ALLOWED = 1e-3  # difference of a preserved output, over the largest one


def finetune(
    training: Training,
    weights: Path,
    data: str,
    arm: str,
    seed: int = 0,
    out: Path | None = None,
    *,
    preserve: bool = True,
    root: Path | None = None,
    execution: Execution | None = None,
) -> Run:
    """Convert a pretrained network to an arm and train it, or resume that; lines on standard output say what is kept.

    Args:
        training: settings, with the network's name.
        weights: a file of its weights before any conversion, see `read_weights`.
        data: what `load` takes.
        arm: as in `parse_arm`.
        seed: of what is drawn anew, the order of the images and the augmentation.
        out: the run folder; `runs/finetune-ARM-seedN` if None.
        preserve: whether the converted network must compute what the pretrained one does.
        root: the folder that `load` looks in.
        execution: device, threads, checkpoints.

    Raises:
        InputError: as `check_request`, `find_head`, `read_weights`, `load_original`, `check_preserved` and `train`;
            images that are not there, or another finished run in the folder.
    """
    execution = execution or Execution()
    parsed = parse_arm(arm)
    check_request(training, parsed, preserve, data)
    head = find_head(training)
    with phase(f"reading {weights.name}"):
        state, digest = read_weights(weights)
    task = {"data": data_name(data), "arm": parsed.name, "seed": seed}
    config = RunConfig(**asdict(training), **task, start=digest, preserve=preserve)
    configure(execution)
    folder = out or Path("runs") / f"finetune-{config.run_name}"
    images = limit_images(read_data(data, root, training), training)
    if (found := trained_before(folder, config, images)) is not None:
        return found
    shape = (images.channels, *images.image_size)
    spec = network_spec(config, parsed.name, config.seed, len(images.classes), shape)
    original = load_original(training, images.channels * channel_repeats(spec), head, state, weights.name)
    start = partial(starting_network, original, preserve=preserve)
    kept = [_about_head(training.network, weights.name, original, len(images.classes))]
    if preserve:
        with phase(f"checking that {arm} computes the same"):
            kept.append(check_preserved(original, spec, example_images(images.train, CHECKED)))
    if is_first_process():
        print("\n".join(kept), flush=True)
        if original.classes == len(images.classes) and not (folder / "run.json").exists():
            _print_accuracy(start(spec), images.test, execution)
    with show_progress([1.0]) as progress:
        return train(config, images, folder, progress, execution, start=start)


def _print_accuracy(network: nn.Module, images: Images, execution: Execution) -> None:
    with phase(f"classifying {len(images):,} images before fine-tuning"):
        before = evaluate(network.to(execution.device), images, execution.device, workers=execution.workers)
    correct = f"{int(before.correct.sum())} of {before.n}"
    print(f"test accuracy before fine-tuning {before.accuracy:.2%} ({correct})", flush=True)


def check_request(training: Training, arm: Arm, preserve: bool, data: str) -> None:
    """An `InputError` for what cannot be fine-tuned, before anything is read."""
    if arm.match != "none" or training.match != "none":
        matched = arm.match if arm.match != "none" else training.match
        raise InputError(
            f"arm={arm.name!r}: -{matched} changes a network's widths, but pretrained ones stay; leave it out"
        )
    if preserve and arm.control != "none":
        raise InputError(f"arm={arm.name!r}: the control -{arm.control} keeps no function; pass --no-preserve with it")
    if preserve and arm.axes:
        raise InputError(f"arm={arm.name!r}: -{arm.axes[0]} keeps no function; pass --no-preserve with it")
    arm.layer_window()
    if training.stream and data in NAMES and data != IMAGENET:
        raise InputError(f"data={data!r} is held in memory; pass --no-stream and --augment flip-crop or none with it")


def convert_to_arm(network: nn.Module, arm: Arm, seed: int, preserve: bool) -> nn.Module:
    """The network converted to an arm, in place."""
    try:
        return grow_to_arm(network, arm, seed, preserve)
    except InputError as error:
        if not preserve or arm.window is None:
            raise
        raise InputError(f"arm={arm.name!r} cannot keep the function: {error}; or pass --no-preserve") from None


def starting_network(original: Original, spec: NetworkSpec, preserve: bool) -> nn.Module:
    """What training starts from: the run's network with the converted weights, its last layer fresh if it has to be."""
    given = spec.arguments
    converted = convert_to_arm(deepcopy(original.network), parse_arm(given["arm"]), given.get("seed", 0), preserve)
    state = converted.state_dict()
    if given["classes"] != original.classes:
        for key in [key for key in state if key.startswith(f"{original.head}.")]:
            del state[key]
    result = build(spec.builder, given)
    inner = result.network if isinstance(result, PreprocessedNetwork) else result
    left = inner.load_state_dict(state, strict=False)
    assert all(key.startswith(f"{original.head}.") for key in left.missing_keys)
    assert not left.unexpected_keys
    return result


def channel_repeats(spec: NetworkSpec) -> int:
    """How often a run's network repeats the one channel of grey images."""
    with torch.device("meta"):
        built = build(spec.builder, {**spec.arguments, "arm": BASELINE})
    return built.repeat if isinstance(built, PreprocessedNetwork) else 1


def check_preserved(original: Original, spec: NetworkSpec, images: Tensor) -> str:
    """A sentence that the converted network computes the same as the pretrained one; an `InputError` if it does not.

    Both have the pretrained last layer, and get the images (N, C, H, W) in [0, 1] as the run's network does.
    """
    given = spec.arguments
    repeat = channel_repeats(spec)
    converted = convert_to_arm(deepcopy(original.network), parse_arm(given["arm"]), 0, True)
    with torch.inference_mode():
        expected, got = (
            PreprocessedNetwork(network, given.get("normalize", "none"), repeat).eval()(images)
            for network in (original.network, converted)
        )
    difference = ((got - expected).abs().max() / expected.abs().max()).item()
    text = f"outputs on {len(images)} training images differ by {difference:.1e} of the largest at most"
    if not difference <= ALLOWED:
        raise InputError(
            f"arm={given['arm']!r} did not keep the function: {text} (allowed: {ALLOWED}); pass --no-preserve"
        )
    return f"{given['arm']} computes the same: {text} (allowed: {ALLOWED})"


def _about_head(model: str, weights: str, original: Original, classes: int) -> str:
    source = f"{model} from {weights} has {original.classes} classes"
    if original.classes == classes:
        return f"{source}, as the data have: its last layer ({original.head}) is kept"
    return f"{source}, the data have {classes}: its last layer ({original.head}) is new"
