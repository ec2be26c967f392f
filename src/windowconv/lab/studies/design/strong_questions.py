"""Why a window helps or does not, on the networks of `strong_networks`: what of it counts, where, against what else.

Each study is complete without the others. They share runs with `window-cifar10`, whose networks and images they have;
all learning rates are tuned alike, and runs that tuned an arm elsewhere are reused. Committed before any of these runs;
a change after that makes a study exploratory.

windowconv study taper --scale strong --processes 1 --reuse runs/studies --export results/studies/taper-cifar10-strong
"""

from __future__ import annotations

from windowconv.lab.studies.design.design import Design, arms, minus
from windowconv.lab.studies.design.strong_networks import HELD_OUT, LEAST, MEASURES, TRAINING_IMAGES
from windowconv.lab.studies.design.tuning import Tuning

DATA = "cifar10"
TUNING = Tuning((("lr", (0.5, 1.0, 2.0)),), HELD_OUT / TRAINING_IMAGES[DATA])

CONTROLS = ("jittered", "box", "even", "rates", "init", "sqrt")

_TAPER = Design(
    name="taper",
    claim="The taper of a Hamming window is what helps 7x7 kernels: they classify better with it than with its values "
    "at jittered taps, with a box and skirt of its energy, and with it but without its learning rates.",
    recipe=DATA,
    variants=arms("3x3", "5x5", "7x7", "7x7-hamming", *(f"7x7-hamming-{name}" for name in CONTROLS)),
    primary=minus("7x7-hamming", "7x7-hamming-jittered"),
    co_primary=(minus("7x7-hamming", "7x7-hamming-box"), minus("7x7-hamming", "7x7-hamming-even")),
    secondary=(
        minus("7x7-hamming", "7x7-hamming-rates"),
        minus("7x7-hamming", "7x7-hamming-init"),
        minus("7x7-hamming-sqrt", "7x7-hamming"),
        minus("7x7-hamming-sqrt", "5x5"),
        minus("7x7-hamming-jittered", "7x7"),
        minus("7x7-hamming-box", "7x7"),
    ),
    equivalent=(
        minus("7x7-hamming", "7x7-hamming-jittered"),
        minus("7x7-hamming", "7x7-hamming-box"),
        minus("7x7-hamming", "7x7-hamming-rates"),
    ),
    smallest=0.3,
    measures=MEASURES,
    seeds=8,
    least=LEAST,
    tuning=TUNING,
)

_PLACE = Design(
    name="place",
    claim="A Hamming window on 7x7 kernels helps at the convolutions whose output is subsampled, where leakage can "
    "fold, more than at the others.",
    recipe=DATA,
    variants=arms("3x3", "7x7", "7x7-hamming", "7x7-hamming-first", "7x7-hamming-pooled", "7x7-hamming-unpooled"),
    primary=minus("7x7-hamming-pooled", "7x7-hamming-unpooled"),
    secondary=(
        minus("7x7-hamming-pooled", "7x7"),
        minus("7x7-hamming-unpooled", "7x7"),
        minus("7x7-hamming-first", "7x7"),
        minus("7x7-hamming", "7x7-hamming-pooled"),
        minus("7x7-hamming-pooled", "7x7-hamming-unpooled", "shift-consistency"),
    ),
    equivalent=(minus("7x7-hamming-pooled", "7x7-hamming-unpooled"),),
    smallest=0.3,
    measures=MEASURES,
    seeds=8,
    least=LEAST,
    tuning=TUNING,
)

_INSTEAD = Design(
    name="instead",
    claim="Windowed 7x7 kernels classify better than stacks of three 3x3 kernels, whose receptive field is as large, "
    "at equal numbers of parameters.",
    recipe=DATA,
    variants=arms(
        "3x3", "5x5", "5x5-hamming", "7x7-hamming", "7x7-hamming-params", "7x7-hamming-flops", "7x7-stack-params"
    ),
    primary=minus("7x7-hamming-params", "7x7-stack-params"),
    secondary=(
        minus("7x7-stack-params", "3x3"),
        minus("7x7-hamming-flops", "3x3"),
        minus("5x5-hamming", "5x5"),
        minus("7x7-hamming", "5x5-hamming"),
    ),
    equivalent=(minus("7x7-hamming-params", "7x7-stack-params"),),
    smallest=0.3,
    measures=MEASURES,
    seeds=8,
    least=LEAST,
    tuning=TUNING,
)

ATTACKS = ("apgd", "apgd-l2", "deepfool", "conditions", "shift", "test-augment", "attacks", "leakage", "kernels")

_WITHSTANDING = Design(
    name="withstanding",
    claim="Larger kernels withstand attacks in the maximum norm better, and a window takes a part of that back: more "
    "images withstand APGD with plain 7x7 kernels than with 3x3, and more than with windowed 7x7.",
    recipe=DATA,
    variants=arms("3x3", "5x5", "7x7", "7x7-hamming"),
    primary=minus("7x7", "3x3", "robust-accuracy-apgd"),
    co_primary=(minus("7x7", "7x7-hamming", "robust-accuracy-apgd"),),
    secondary=(
        minus("7x7-hamming", "3x3", "robust-accuracy-apgd"),
        minus("7x7", "3x3", "withstood-apgd"),
        minus("7x7", "7x7-hamming", "withstood-apgd"),
        minus("7x7", "3x3", "robust-accuracy-apgd-l2"),
        minus("7x7", "7x7-hamming", "robust-accuracy-apgd-l2"),
        minus("7x7-hamming", "3x3", "corruption-accuracy"),
        minus("7x7-hamming", "7x7", "corruption-accuracy"),
        minus("7x7-hamming", "3x3", "shift-consistency"),
    ),
    smallest=1.0,
    measures=ATTACKS,
    seeds=6,
    least=LEAST,
    tuning=TUNING,
    limits="The short form of AutoAttack, with two of its four members and on 500 images; by how much it overstates, "
    "the full one on two networks of each arm says.",
)

_ADVERSARIAL = Design(
    name="adversarial",
    claim="",
    recipe=DATA,
    variants=arms("3x3", "5x5", "7x7", "7x7-hamming"),
    secondary=(
        minus("7x7", "3x3", "robust-accuracy-apgd-8"),
        minus("7x7", "7x7-hamming", "robust-accuracy-apgd-8"),
        minus("7x7-hamming", "3x3"),
    ),
    changes=(("adversarial", "fgsm"), ("start_size", None), ("start_share", 0.5)),  # attacks are on whole images
    measures=("apgd-8", "shift", "leakage", "kernels"),
    seeds=4,
    limits="Four seeds decide nothing; rates are those of plain training, the same for all.",
)

SCREENED = (
    *(f"{size}x{size}-hamming" for size in (5, 7, 9)),
    "7x7-cosine",
    "7x7-hann-inner",
    *(f"7x7-kaiser:{beta}" for beta in (1, 2, 4, 6)),
    *(f"7x7-gaussian:{width}" for width in (1, 1.5, 2.5)),
    "7x7-learnable-kaiser:4",
    "7x7-learnable-gaussian",
    "7x7-hamming-first",
    "7x7-hamming-pooled",
    "7x7-hamming-unpooled",
    "7x7-hamming-sqrt",
    "5x5-hamming-sqrt",
    "7x7-hamming-energy",
    "7x7-hamming-radial",
)

_HUNT = Design(
    name="hunt",
    claim="",
    recipe=DATA,
    variants=arms("5x5", "3x3", "7x7", *SCREENED),
    secondary=tuple(minus(arm, "5x5", "held-out-accuracy") for arm in SCREENED),
    changes=(("epochs", 6), ("val_fraction", HELD_OUT / TRAINING_IMAGES[DATA])),
    measures=("held-out", "leakage", "kernels"),
    seeds=2,
    limits="A screening: half the length, the shared learning rate, and accuracy on held-out training images. The best "
    "of so many are better than they will be again; the three best are confirmed with fresh seeds.",
)

DESIGNS = (_TAPER, _PLACE, _INSTEAD, _WITHSTANDING, _ADVERSARIAL, _HUNT)
