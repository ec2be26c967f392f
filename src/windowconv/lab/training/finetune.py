"""Fine-tuning: a pretrained network brought into an arm, keeping what it computes, and then trained as any run."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from windowconv.checkpoint import read_state
from windowconv.errors import InputError
from windowconv.lab.config import Execution, RunConfig, Training
from windowconv.lab.data import NAMES
from windowconv.lab.data.sources import IMAGENET, data_name
from windowconv.lab.models.arm_layers import grow_to_arm
from windowconv.lab.models.arms import Arm, parse_arm
from windowconv.lab.models.build import BUILDERS, FAMILIES, PreprocessedNetwork, build
from windowconv.lab.models.matching import BASELINE, NetworkSpec, network_spec, start_widths
from windowconv.lab.runs.folder import Run, refuse_finished
from windowconv.lab.training.distributed import configure, is_first_process
from windowconv.lab.training.evaluate import evaluate
from windowconv.lab.training.loading import example_images, limit_images, read_data
from windowconv.lab.training.progress import show_progress
from windowconv.lab.training.train import train

CHECKED = 16  # images
ALLOWED = 1e-3  # difference of a preserved output, over the largest one
PROBE = 997  # a number of classes that no other layer has as its size

State = dict[str, Tensor]


@dataclass(frozen=True)
class Original:
    """A network before its conversion.

    Attributes:
        network: with its weights and torch's own convolutions, in evaluation mode.
        head: the name of its last layer, which classifies.
        classes: of that.
    """

    network: nn.Module
    head: str
    classes: int


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
            images that are not there, or a finished run in the folder.
    """
    execution = execution or Execution()
    parsed = parse_arm(arm)
    check_request(training, parsed, preserve, data)
    head = find_head(training)
    state, digest = read_weights(weights)
    task = {"data": data_name(data), "arm": parsed.name, "seed": seed}
    config = RunConfig(**asdict(training), **task, start=digest, preserve=preserve)
    configure(execution)
    folder = out or Path("runs") / f"finetune-{config.run_name}"
    refuse_finished(folder)
    images = limit_images(read_data(data, root, training), training)
    shape = (images.channels, *images.image_size)
    spec = network_spec(config, parsed.name, config.seed, len(images.classes), shape)
    original = load_original(training, images.channels * channel_repeats(spec), head, state, weights.name)
    start = partial(starting_network, original, preserve=preserve)
    lines = [_about_head(training.network, weights.name, original, len(images.classes))]
    if preserve:
        lines.append(check_preserved(original, spec, example_images(images.train, CHECKED)))
    if is_first_process():
        print("\n".join(lines), flush=True)
        if original.classes == len(images.classes) and not (folder / "run.json").exists():
            network = start(spec).to(execution.device)
            before = evaluate(network, images.test, execution.device, workers=execution.workers)
            right = f"{before.metrics()['correct']} of {before.n}"
            print(f"test accuracy before fine-tuning {before.accuracy:.2%} ({right})", flush=True)
    with show_progress([1.0]) as progress:
        return train(config, images, folder, progress, execution, start=start)


def check_request(training: Training, arm: Arm, preserve: bool, data: str) -> None:
    """An `InputError` for what cannot be fine-tuned, before anything is read."""
    if arm.match != "none" or training.match != "none":
        matched = arm.match if arm.match != "none" else training.match
        raise InputError(
            f"arm={arm.name!r}: -{matched} changes a network's widths, but pretrained ones stay; leave it out"
        )
    if preserve and arm.control != "none":
        raise InputError(f"arm={arm.name!r}: the control -{arm.control} keeps no function; pass --no-preserve with it")
    arm.layer_window()
    if training.stream and data in NAMES and data != IMAGENET:
        raise InputError(f"data={data!r} is held in memory; pass --no-stream and --augment flip-crop or none with it")


def find_head(training: Training) -> str:
    """The name of a network's last layer; an `InputError` for an unknown network, or one without such a layer."""
    name = training.network
    family, _, own = name.partition("/")
    if name not in BUILDERS and not (family in FAMILIES and own):
        allowed = ", ".join(["torchvision/NAME", "timm/NAME", *BUILDERS])
        raise InputError(f"model={name!r}; allowed: {allowed}")
    try:
        with torch.device("meta"):
            probe = _unconverted(training, PROBE, 3)
    except InputError as error:
        raise InputError(str(error).replace("network=", "model=", 1)) from None
    found = [key for key, m in probe.named_modules() if isinstance(m, nn.Linear) and m.out_features == PROBE]
    if len(found) != 1:
        raise InputError(f"model={name!r} has {len(found)} linear layers that classify; allowed: networks with one")
    return found[0]


def read_weights(path: Path) -> tuple[State, str]:
    """A file's tensors by name, and 16 hex digits of its SHA-256; an `InputError` if it is no file of weights."""
    try:
        state, windows = read_state(path)
        if windows:
            name, window = next(iter(windows.items()))
            raise InputError(
                f"{path.name}: layer {name!r} was saved with the window {window}, but finetune converts a network "
                "itself; pass weights from before any conversion"
            )
        return state, hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except (InputError, OSError) as error:
        raise InputError(f"weights={str(path)!r} cannot be used: {error}") from None


def load_original(training: Training, channels: int, head: str, state: State, name: str) -> Original:
    """The network of the settings before its conversion, with these weights and as many classes as they have.

    Args:
        training: names the network.
        channels: that it takes.
        head: see `find_head`.
        state: tensors by name.
        name: of their file.

    Raises:
        InputError: the weights are of another network.
    """
    wrong = f"weights={name!r} are not those of model={training.network!r} before any conversion: "
    key = f"{head}.weight"
    if key not in state or state[key].ndim != 2:
        raise InputError(f"{wrong}they have no matrix {key!r}")
    classes = len(state[key])
    network = _unconverted(training, classes, channels)
    if misfit := _mismatch(network.state_dict(), state):
        raise InputError(wrong + misfit)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(wrong + " ".join(str(error).split())) from None
    return Original(network.eval(), head, classes)


def _unconverted(training: Training, classes: int, channels: int) -> nn.Module:
    """The network of the settings as others have it: no kernel grown, no window, nothing before it."""
    arguments = {"arm": BASELINE, "classes": classes, "channels": channels, "widths": start_widths(training)}
    return build(training.network, {key: value for key, value in arguments.items() if value is not None})


def _mismatch(own: State, given: State) -> str | None:
    """What is wrong with the given tensors, by the first of each kind; batch counters may be missing."""
    missing = [key for key in own if key not in given and not key.endswith(".num_batches_tracked")]
    more = [key for key in given if key not in own]
    others = [key for key in own if key in given and own[key].shape != given[key].shape]
    said = [f"{len(missing)} tensors are missing, such as {missing[0]!r}"] if missing else []
    said += [f"{len(more)} are too many, such as {more[0]!r}"] if more else []
    if others:
        shapes = f"{tuple(given[others[0]].shape)}, not {tuple(own[others[0]].shape)}"
        said.append(f"{len(others)} have other shapes, such as {others[0]!r} with {shapes}")
    return "; ".join(said) or None


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
    """That the converted network computes on images what the pretrained one does, in words; an `InputError` if not.

    Both have the pretrained last layer, and get the images as the run's network does.
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
    return f"{source}, the data have {classes}: its last layer ({original.head}) is drawn anew"
