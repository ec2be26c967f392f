"""The studies of the first evidence, on the paper's small network. Changing one after its runs were seen is cheating.

windowconv study fashion-mnist --scale small --seeds 8
windowconv study mechanism --data cifar10 --scale small     # reuses the runs of `cifar10`
"""

from __future__ import annotations

from itertools import product

from windowconv.lab.studies.design.design import Association, Contrast, Design, Variant, arms, minus

MATRIX = ("3x3", "5x5", "7x7", "7x7-hamming", "7x7-shuffled", "7x7-hamming-params")
"""The arms that several studies share, so that one set of runs serves all of them."""

LEAST = {"fashion-mnist": 88.0, "cifar10": 65.0}
"""Test accuracy (%) that 3x3 must reach for a study to count: below it a network has hardly learnt the task."""


def _matrix(data: str, title: str) -> Design:
    """The claim that windowed large kernels classify better, with the controls that say why."""
    return Design(
        name=data,
        claim=f"7x7 kernels with a Hamming window classify {title} better than 3x3 kernels.",
        recipe=data,
        variants=arms(*MATRIX),
        primary=minus("7x7-hamming", "3x3"),
        secondary=(
            minus("7x7-hamming", "7x7"),
            minus("7x7", "3x3"),
            minus("7x7-hamming-params", "3x3"),
            minus("7x7-hamming", "7x7-shuffled"),
            minus("7x7-hamming", "5x5"),
        ),
        least=LEAST,
    )


SIZES = tuple(f"{k}x{k}{window}" for window, k in product(("", "-hamming"), (3, 5, 7, 9, 11)))

_KERNEL_SIZE = Design(
    name="kernel-size",
    claim="With a Hamming window, kernels of 9x9 classify better than kernels of 3x3.",
    recipe="fashion-mnist",
    variants=arms(*SIZES),
    primary=minus("9x9-hamming", "3x3"),
    secondary=(
        *(minus(f"{k}x{k}-hamming", f"{k}x{k}") for k in (3, 5, 7, 9, 11)),
        minus("11x11-hamming", "7x7-hamming"),
        minus("9x9", "3x3"),
    ),
    least=LEAST,
)

DEPTHS = (2, 4, 6)

_DEPTH = Design(
    name="depth",
    claim="The advantage of windowed 7x7 kernels over 3x3 kernels is still there in a network of six convolutions.",
    recipe="fashion-mnist",
    variants=tuple(Variant(arm, (("depth", n),)) for n, arm in product(DEPTHS, ("3x3", "7x7", "7x7-hamming"))),
    primary=minus("7x7-hamming depth=6", "3x3 depth=6"),
    secondary=(
        *(minus(f"7x7-hamming depth={n}", f"3x3 depth={n}") for n in DEPTHS[:2]),
        *(minus(f"7x7-hamming depth={n}", f"7x7 depth={n}") for n in DEPTHS),
    ),
)

_SIZE_MATCHED = Design(
    name="size-matched",
    claim="7x7 kernels with a Hamming window classify better than 3x3 kernels with as many parameters.",
    recipe="fashion-mnist",
    variants=arms("3x3", "7x7-hamming-params", "7x7-hamming-flops", "7x7-params", "7x7-flops", "7x7-hamming"),
    primary=minus("7x7-hamming-params", "3x3"),
    secondary=(
        minus("7x7-hamming-flops", "3x3"),
        minus("7x7-hamming-params", "7x7-params"),
        minus("7x7-hamming-flops", "7x7-flops"),
        minus("7x7-hamming", "7x7-hamming-params"),
    ),
    least=LEAST,
)

_IMAGENET = Design(
    name="imagenet",
    claim="A ResNet-18 with 7x7 kernels and a Hamming window classifies ImageNet better than the usual one with 3x3.",
    recipe="imagenet-resnet18",
    variants=arms("3x3", "7x7", "7x7-hamming"),
    primary=minus("7x7-hamming", "3x3"),
    secondary=(minus("7x7-hamming", "7x7"), minus("7x7", "3x3")),
    seeds=3,
)

_ROBUSTNESS = Design(
    name="robustness",
    claim="Networks with windowed 7x7 kernels withstand attacks better than networks with 3x3 kernels.",
    recipe="fashion-mnist",
    variants=arms("3x3", "7x7", "7x7-hamming"),
    primary=minus("7x7-hamming", "3x3", "robust-accuracy"),
    secondary=(
        minus("7x7-hamming", "7x7", "robust-accuracy"),
        minus("7x7-hamming", "3x3", "shift-consistency"),
        minus("7x7-hamming", "3x3"),
    ),
    smallest=1.0,
    measures=("leakage", "shift", "attacks"),
    least=LEAST,
)

_LEAKAGE_BY_SIZE = Design(
    name="leakage-by-size",
    claim="The trained kernels of 7x7-hamming networks leak less, beyond 1/4 cycles/pixel from their peaks, than those "
    "of 3x3 networks.",
    recipe="fashion-mnist",
    variants=arms(*SIZES),
    primary=minus("7x7-hamming", "3x3", "leakage"),
    secondary=(
        minus("7x7", "3x3", "leakage"),
        *(minus(f"{k}x{k}-hamming", f"{k}x{k}", "leakage") for k in (5, 7, 9, 11)),
        minus("7x7-hamming", "3x3", "leakage-near"),
    ),
    smallest=1.0,
)

_LEAKAGE_AND_ACCURACY = Design(
    name="leakage-and-accuracy",
    claim="Among networks of one arm, those whose kernels leak less classify better.",
    recipe="fashion-mnist",
    variants=arms(*MATRIX),
    primary=Association("leakage", MATRIX),
    smallest=0.1,
    limits="Networks of one arm differ by their seed only, and little; an association is no cause.",
)

_MECHANISM = Design(
    name="mechanism",
    claim="What helps is the window's smooth shape, not that some taps of a 7x7 kernel are made small: a Hamming "
    "window does better than the same values at shuffled taps.",
    recipe="fashion-mnist",
    variants=arms(
        "3x3",
        "5x5",
        "7x7",
        "7x7-hamming",
        "7x7-shuffled",
        "7x7-hamming-init",
        "7x7-hamming-rates",
        "7x7-hamming-energy",
    ),
    primary=minus("7x7-hamming", "7x7-shuffled"),
    secondary=tuple(
        minus("7x7-hamming", worse)
        for worse in ("5x5", "7x7", "7x7-hamming-init", "7x7-hamming-rates", "7x7-hamming-energy")
    ),
    least=LEAST,
)

FAMILY = ("hamming", "hann", "blackman", "kaiser:6", "gaussian:1.5", "dpss:2")


def _radial(window: str) -> str:
    name, colon, parameters = window.partition(":")
    return f"7x7-{name}-radial{colon}{parameters}"


_WINDOW_FAMILY = Design(
    name="window-family",
    claim="A window helps 7x7 kernels whichever it is: on the average over six families, they do better than without.",
    recipe="fashion-mnist",
    variants=arms("7x7-boxcar", *(f"7x7-{w}" for w in FAMILY), "7x7-learnable-cosine", *map(_radial, FAMILY)),
    primary=Contrast(tuple(f"7x7-{w}" for w in FAMILY), ("7x7-boxcar",)),
    secondary=(
        *(minus(f"7x7-{w}", "7x7-hamming") for w in (*FAMILY[1:], "learnable-cosine")),
        Contrast(tuple(map(_radial, FAMILY)), tuple(f"7x7-{w}" for w in FAMILY)),
    ),
    limits="Hann and Blackman have zero edges at 7x7, so that their kernels are 5x5 ones with a window.",
)

DECAYS = ("weight_decay", (3e-4, 1e-3, 3e-3, 1e-2))

_REGULARISATION = Design(
    name="regularisation",
    claim="A Hamming window does more for 7x7 kernels than weight decay that was tuned for them.",
    recipe="fashion-mnist",
    variants=(
        Variant("7x7"),
        Variant("7x7", tune=DECAYS),
        Variant("7x7", tune=("l1", (1e-5, 3e-5, 1e-4, 3e-4))),
        Variant("7x7", tune=("dropout", (0.1, 0.2, 0.3, 0.5))),
        Variant("7x7-hamming"),
        Variant("7x7-hamming", tune=DECAYS),
    ),
    primary=minus("7x7-hamming", "7x7 weight-decay tuned"),
    secondary=(
        minus("7x7-hamming", "7x7 l1 tuned"),
        minus("7x7-hamming", "7x7 dropout tuned"),
        minus("7x7-hamming weight-decay tuned", "7x7 weight-decay tuned"),
    ),
    changes=(("val_fraction", 0.1),),
    limits="Each is tuned over four values, once, with one seed, on a tenth of the training images.",
)

_PRETRAINED = Design(
    name="pretrained",
    claim="A trained 3x3 network that is converted to windowed 7x7 kernels, computing the same, and fine-tuned becomes "
    "better than one that is fine-tuned as it is for as long.",
    recipe="fashion-mnist",
    variants=tuple(Variant(arm, start="3x3") for arm in ("3x3", "7x7-hamming", "7x7-boxcar")),
    primary=minus("7x7-hamming from 3x3", "3x3 from 3x3"),
    secondary=(
        minus("7x7-boxcar from 3x3", "3x3 from 3x3"),
        minus("7x7-hamming from 3x3", "7x7-boxcar from 3x3"),
    ),
    changes=(("lr", 0.005), ("schedule", "cosine")),
)

DESIGNS = (
    _matrix("fashion-mnist", "Fashion-MNIST"),
    _matrix("cifar10", "CIFAR-10"),
    _matrix("cifar100", "CIFAR-100"),
    _IMAGENET,
    _KERNEL_SIZE,
    _DEPTH,
    _SIZE_MATCHED,
    _ROBUSTNESS,
    _LEAKAGE_BY_SIZE,
    _LEAKAGE_AND_ACCURACY,
    _MECHANISM,
    _WINDOW_FAMILY,
    _REGULARISATION,
    _PRETRAINED,
)
